"""Foretell as a part of other people's applications."""
