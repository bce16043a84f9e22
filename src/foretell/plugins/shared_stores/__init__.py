"""Stores that API processes share, one module each."""
