"""The foretell command."""
