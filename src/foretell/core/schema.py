"""The schema of the own database: upgrade, downgrade, check, by Alembic.

Foretell has one branch of migrations and each extension another; all are taken to
their heads together. When several servers start at once, one upgrades and the others
wait: an advisory lock on PostgreSQL and MySQL, BEGIN IMMEDIATE on SQLite.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from foretell.core.branches import BASE_LABEL, Branch, Branches
from foretell.core.db import Base, Database
from foretell.core.migration_operations import simplify
from foretell.core.migration_scripts import config_of, is_own, scripts_of
from foretell.core.migration_source import tidy_migration
from foretell.core.outages import demanding_an_answer
from foretell.core.schema_errors import (
    MigrationMissing,
    MigrationRefused,
    SchemaOutdated,
    SchemaUnknown,
)

_LOCK = 0x466F726574656C6C % (1 << 62)

T = TypeVar("T")


async def prepare(
    database: Database, branches: Branches = (), *, may_upgrade: bool
) -> None:
    """Have the schema that serving needs, or refuse to serve.

    Raises:
        SchemaOutdated, SchemaUnknown: See `ensure_current`.
        MigrationMissing: See `ensure_migrated`.
    """
    if may_upgrade:
        await upgrade(database, branches=branches)
    else:
        await ensure_current(database, branches)
    await ensure_migrated(database, branches)


async def upgrade(
    database: Database, revision: str = "heads", branches: Branches = ()
) -> str:
    """Bring the schema to `revision` and return where it is."""

    def run(connection: Connection) -> str:
        _lock(connection)
        try:
            current = _known_rows(connection, branches)
            if revision != "heads" or scripts_of(branches).missing(current):
                config = config_of(branches, connection)
                if revision == "heads":
                    # Foretell's own first: Alembic orders by dependency alone, and
                    # an extension may refer to any table of this version.
                    command.upgrade(config, f"{BASE_LABEL}@head")
                command.upgrade(config, _labelled(revision))
            return _shown(_rows(connection))
        finally:
            _unlock(connection)

    return await _run(database, run)


async def downgrade(database: Database, revision: str, branches: Branches = ()) -> str:
    """Bring the schema back to `revision` and return where it is.

    Args:
        revision: An id, `base` for an empty database, or `LABEL@base` and `LABEL@-1`
            for one branch.
    """

    def run(connection: Connection) -> str:
        known = _known_rows(connection, branches)
        config = config_of(branches, connection)
        if revision == "base":
            _refuse_others(_rows(connection) - known)
            # Tables of extensions refer to ours, so theirs go first.
            for label in scripts_of(branches).labels() - {BASE_LABEL}:
                command.downgrade(config, f"{label}@base")
        command.downgrade(config, _labelled(revision))
        return _shown(_rows(connection))

    return await _run(database, run)


async def ensure_current(database: Database, branches: Branches = ()) -> None:
    """Raise unless the schema is the one that this version and its extensions need.

    Raises:
        SchemaOutdated: It is older.
        SchemaUnknown: It is newer than this version.
    """

    def run(connection: Connection) -> None:
        current = _known_rows(connection, branches)
        missing = scripts_of(branches).missing(current)
        if missing:
            rows = _rows(connection)
            raise SchemaOutdated(_shown(rows) if rows else "", _shown(missing))

    # Readiness asks for it again and again: without the lock of a writer.
    await _run(database, run, engine=database.reading_engine)


async def ensure_migrated(database: Database, branches: Branches) -> None:
    """Raise when a table of an extension, or a column, has no migration.

    Without this look the first request that needs it would be the one to fail.

    Raises:
        MigrationMissing: With the commands that make one.
    """
    wanted = [branch for branch in branches if branch.tables]
    if not wanted:
        return

    def run(connection: Connection) -> None:
        for branch in wanted:
            missing = list(_without_migration(connection, branch))
            if missing:
                raise MigrationMissing(branch.name, missing)

    await _run(database, run)


async def differences(database: Database, branches: Branches = ()) -> list[str]:
    """What the tables in code have and the database has not, and the reverse."""
    tables = own_tables().union(*(branch.tables for branch in branches))

    def run(connection: Connection) -> list[str]:
        def ours(_: Any, name: str | None, kind: str, __: bool, ___: Any) -> bool:
            return kind != "table" or name in tables

        options = {"compare_server_default": True, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        return [str(item) for item in compare_metadata(context, Base.metadata)]

    return await _run(database, run)


async def make_revision(
    database: Database,
    message: str,
    branches: Branches = (),
    *,
    branch: Branch | None = None,
    is_empty: bool = False,
) -> str | None:
    """Write a new migration from the difference; returns its file name.

    The database is brought up to date first: the difference is with what it has.

    Args:
        branch: Whose tables to compare and where to write; Foretell's own without.
        is_empty: Write one without statements, to be filled by hand.

    Returns:
        `None` when there is no difference.
    """
    await upgrade(database, branches=branches)
    tables = own_tables() if branch is None else branch.tables
    label = BASE_LABEL if branch is None else branch.label

    first_party = ("foretell",) if branch is None else ()

    def run(connection: Connection) -> str | None:
        scripts = scripts_of(branches)
        is_first = label not in scripts.labels()
        if branch is not None:
            branch.folder.mkdir(parents=True, exist_ok=True)
        config = config_of(branches, connection, tables)
        script: Any = command.revision(
            config,
            message,
            autogenerate=not is_empty,
            rev_id=scripts.next_id(branch),
            head="base" if is_first else f"{label}@head",
            branch_label=label if is_first else None,
            depends_on=scripts.first_of_base() if is_first else None,
            version_path=str(branch.folder) if branch else None,
            process_revision_directives=None if is_empty else simplify,
        )
        scripts_of.cache_clear()
        if not script:
            return None
        path = Path(script.path)
        path.write_text(tidy_migration(path.read_text("utf-8"), *first_party), "utf-8")
        return str(path)

    return await _run(database, run)


def own_tables() -> frozenset[str]:
    """Names of Foretell's own tables."""
    import_module("foretell.migrations.table_modules").load()
    return frozenset(
        mapper.local_table.name  # type: ignore[attr-defined]
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith("foretell.")
    )


def _without_migration(connection: Connection, branch: Branch) -> Iterator[str]:
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for name in sorted(branch.tables):
        if name not in there:
            yield f"the table {name}"
            continue
        columns = {column["name"] for column in inspector.get_columns(name)}
        for column in Base.metadata.tables[name].columns:
            if column.name not in columns:
                yield f"the column {name}.{column.name}"


async def _run(
    database: Database,
    run: Callable[[Connection], T],
    *,
    engine: AsyncEngine | None = None,
) -> T:
    with demanding_an_answer(), _saying_what_alembic_says():
        async with (engine or database.engine).begin() as connection:
            return await connection.run_sync(run)


@contextmanager
def _saying_what_alembic_says() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise MigrationRefused(str(error)) from error


def _rows(connection: Connection) -> frozenset[str]:
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def _known_rows(connection: Connection, branches: Branches) -> frozenset[str]:
    """Where the installed branches are.

    Raises:
        SchemaUnknown: Rows are of a newer Foretell, or only an extension that is
            switched off could say where ours is.
    """
    rows, scripts = _rows(connection), scripts_of(branches)
    unknown = frozenset(row for row in rows if not scripts.knows(row))
    newer = frozenset(filter(is_own, unknown))
    if newer or (unknown and not scripts.applied(rows)):
        raise SchemaUnknown(_shown(newer or unknown))
    return rows - unknown


def _refuse_others(others: frozenset[str]) -> None:
    if others:
        raise MigrationRefused(
            f"The database also has {_shown(others)}, of extensions that are switched "
            "off. Switch them on, so that their tables can go first."
        )


def _labelled(revision: str) -> str:
    """`my-shop@base` in Alembic's words, where `-` is arithmetic."""
    label, at, rest = revision.rpartition("@")
    return label.replace("-", "_") + at + rest


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
