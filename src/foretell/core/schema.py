"""The schema of Foretell's own database: upgrade, downgrade, check, by Alembic.

When several servers start at once, one upgrades and the others wait: an advisory
lock on PostgreSQL and MySQL, BEGIN IMMEDIATE on SQLite.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from foretell.core.db import Base, Database
from foretell.core.outages import demanding_an_answer
from foretell.errors import Conflict

_LOCK = 0x466F726574656C6C % (1 << 62)
_SCRIPTS = "foretell:migrations"

T = TypeVar("T")


class SchemaOutdated(Conflict):
    """The database has another schema than this version of Foretell."""

    slug = "schema-outdated"

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(
            f"The database schema is at {found}, this version needs {wanted}. "
            "Back it up, then run: foretell db upgrade",
            found=found,
            wanted=wanted,
        )


class SchemaUnknown(Conflict):
    """The database was upgraded by a newer version of Foretell."""

    slug = "schema-unknown"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database schema is at {found}, which this version does not know. "
            "Install the version that made it, or restore a backup.",
            found=found,
        )


async def upgrade(database: Database, revision: str = "heads") -> str:
    """Bring the schema to `revision` and return where it is."""

    def run(connection: Connection) -> str:
        _lock(connection)
        try:
            current = _current(connection)
            _refuse_unknown(current)
            if revision != "heads" or current != _heads():
                command.upgrade(_config(connection), revision)
            return _shown(_current(connection))
        finally:
            _unlock(connection)

    return await _run(database, run)


async def downgrade(database: Database, revision: str) -> str:
    """Bring the schema back to `revision` and return where it is."""

    def run(connection: Connection) -> str:
        command.downgrade(_config(connection), revision)
        return _shown(_current(connection))

    return await _run(database, run)


async def ensure_current(database: Database) -> None:
    """Raise unless the schema is the one this version needs.

    Raises:
        SchemaOutdated: It is older.
        SchemaUnknown: It is newer than this version.
    """

    def run(connection: Connection) -> None:
        current = _current(connection)
        _refuse_unknown(current)
        if current != _heads():
            raise SchemaOutdated(_shown(current), _shown(_heads()))

    await _run(database, run)


async def differences(database: Database) -> list[str]:
    """What the tables in code have and the database has not, and the reverse."""

    def run(connection: Connection) -> list[str]:
        def ours(_: Any, name: str | None, kind: str, reflected: bool, __: Any) -> bool:
            return kind != "table" or not reflected or name in Base.metadata.tables

        options = {"compare_server_default": True, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        return [str(item) for item in compare_metadata(context, Base.metadata)]

    return await _run(database, run)


async def make_revision(database: Database, message: str, path: str | None) -> str:
    """Write a new migration from the difference; returns its file name."""

    def run(connection: Connection) -> str:
        script: Any = command.revision(
            _config(connection),
            message,
            autogenerate=True,
            version_path=path,
            rev_id=_next_number(),
        )
        _known.cache_clear()
        return str(script.path)

    return await _run(database, run)


async def _run(database: Database, run: Callable[[Connection], T]) -> T:
    options = {"sqlite_begin": "IMMEDIATE"}
    with demanding_an_answer():
        async with database.engine.execution_options(**options).begin() as connection:
            return await connection.run_sync(run)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _next_number() -> str:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    numbers = [int(s.revision) for s in scripts if s.revision.isdigit()]
    return f"{max(numbers, default=0) + 1:04d}"


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """Heads and all revisions, read once: they come with the installed package."""
    scripts = ScriptDirectory.from_config(_config())
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return frozenset(scripts.get_heads()), known


def _heads() -> frozenset[str]:
    return _known()[0]


def _current(connection: Connection) -> frozenset[str]:
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def _refuse_unknown(current: frozenset[str]) -> None:
    unknown = current - _known()[1]
    if unknown:
        raise SchemaUnknown(_shown(unknown))


def _shown(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions)) or "nothing"


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    elif connection.dialect.name in ("mysql", "mariadb"):
        connection.execute(text("SELECT GET_LOCK('foretell.schema', 60)"))


def _unlock(connection: Connection) -> None:
    if connection.dialect.name in ("mysql", "mariadb"):
        connection.execute(text("SELECT RELEASE_LOCK('foretell.schema')"))
