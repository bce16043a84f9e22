"""The libraries of nets, which the development group leaves out for their size."""

import os
import warnings
from typing import Any

import pytest


def torch_or_skip() -> Any:
    """PyTorch, or a skip of the whole module that says how to run it."""
    return _library("torch", "torch")


def keras_or_skip() -> Any:
    """Keras on the torch backend, or a skip of the whole module."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    _library("torch", "keras")
    return _library("keras", "keras")


def _library(name: str, extra: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their own business, while they load
        return pytest.importorskip(
            name,
            reason=f"NOT TESTED HERE: {name} is absent; uv pip install -e '.[{extra}]'",
        )
