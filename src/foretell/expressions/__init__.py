"""The expression language: parse once, compile to polars and to a function of one row."""
