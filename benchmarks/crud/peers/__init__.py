"""The same routes on the same tables, each in its framework's own way."""
