"""Fixtures of the monitoring tests."""

from tests.models.application import logreg, neighbours, running

__all__ = ["logreg", "neighbours", "running"]
