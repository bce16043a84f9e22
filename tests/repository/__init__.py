"""The repository's own files agree with one another."""
