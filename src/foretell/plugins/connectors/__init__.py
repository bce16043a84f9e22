"""Connectors to outside databases: one module a kind."""
