"""The documentation names what the code has, and its links lead somewhere."""
