"""Connections: credentials for outside databases, and what is read and written by them."""
