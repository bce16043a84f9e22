"""Foretell's own contender: an Extension with two resources."""
