"""A target for each kind of connector."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from foretell.core.connectors import Connector, Target
from foretell.core.plugins import load_plugin
from tests import outside


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
def sqlite(tmp_path: Path) -> Target:
    import sqlite3
    from contextlib import closing

    path = tmp_path / "outside.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE other (x)")
    return Target("sqlite", path=path, timeout_seconds=60)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    """Of the kind that the test is parametrised with."""
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def connector(target: Target) -> Connector:
    made: Connector = load_plugin("foretell.connectors", target.kind)()
    return made
