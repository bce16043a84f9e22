"""A target for each kind of connector."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from foretell.core.connectors import Connector, Target
from foretell.core.plugins import load_plugin
from tests.targets import *  # noqa: F403 - fixtures


@pytest.fixture
def sqlite(tmp_path: Path) -> Target:
    path = tmp_path / "outside.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE other (x)")
    return Target("sqlite", path=path, timeout_seconds=60)


@pytest.fixture
def connector(target: Target) -> Connector:
    made: Connector = load_plugin("foretell.connectors", target.kind)()
    return made
