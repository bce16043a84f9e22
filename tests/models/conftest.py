"""Fixtures of the models tests."""

from tests.models.application import forest, logreg, neighbours, running

__all__ = ["forest", "logreg", "neighbours", "running"]
