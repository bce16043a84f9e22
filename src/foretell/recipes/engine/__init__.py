"""What runs a recipe in its sandboxed child; the only part here that loads polars."""
