"""Targets of each kind, for every folder of tests that reaches outside databases."""

from collections.abc import Iterator

import pytest

from foretell.core.connectors import Target
from tests import outside

__all__ = ["mongodb", "mysql", "postgresql", "redis", "target"]


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with outside.mongodb(tmp_path_factory.mktemp("mongodb")) as target:
        yield target


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with outside.redis(tmp_path_factory.mktemp("redis")) as target:
        yield target


@pytest.fixture
def postgresql() -> Iterator[Target]:
    with outside.database("postgresql") as target:
        yield target


@pytest.fixture
def mysql() -> Iterator[Target]:
    with outside.database("mysql") as target:
        yield target


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    """Of the kind that the test is parametrised with."""
    found: Target = request.getfixturevalue(request.param)
    return found
