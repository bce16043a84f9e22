"""Built-in table_engines."""
