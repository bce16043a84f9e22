"""Fixtures of the tests of nets."""

from tests.models.application import running

from .inspecting import inspect

__all__ = ["inspect", "running"]
