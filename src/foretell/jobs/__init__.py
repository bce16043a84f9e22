"""Durable background work: the jobs table is the only truth."""
