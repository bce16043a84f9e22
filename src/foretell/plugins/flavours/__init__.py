"""Built-in flavours."""
