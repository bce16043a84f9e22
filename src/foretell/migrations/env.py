"""Runs Alembic on a connection that `foretell.core.schema` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.render import _repr_type
from alembic.operations.ops import DropIndexOp, DropTableOp, ModifyTableOps, OpContainer
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, TypeDecorator

from foretell.core.db import Base, UtcDateTime
from foretell.migrations import table_modules

table_modules.load()


def include_object(
    _object: Any, name: str | None, kind: str, _is_reflected: bool, _other: Any
) -> bool:
    """Leave tables alone that are not of the branch at hand."""
    return kind != "table" or name in context.config.attributes["tables"]


def render_item(kind: str, item: Any, context_: Any) -> str | Literal[False]:
    """Write our own column types in words that stay true when code moves."""
    if kind == "type" and isinstance(item, UtcDateTime):
        context_.imports.add("from foretell.core.db import UtcDateTime")
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, TypeDecorator):
        return str(_repr_type(item.impl_instance, context_))
    return False


def leave_indexes_to_tables(_context: Any, _revision: Any, scripts: list[Any]) -> None:
    """Drop no index of a table that is dropped itself: MySQL refuses when a foreign
    key needs it, and it goes with the table anyway."""
    for script in scripts:
        for operations in (script.upgrade_ops, script.downgrade_ops):
            _leave_indexes(operations)


def _leave_indexes(operations: OpContainer) -> None:
    dropped = {o.table_name for o in operations.ops if isinstance(o, DropTableOp)}
    for change in operations.ops:
        if isinstance(change, ModifyTableOps) and change.table_name in dropped:
            change.ops = [o for o in change.ops if not isinstance(o, DropIndexOp)]


def overlook_others(migrations: MigrationContext) -> None:
    """Hide rows of extensions that are switched off: Alembic would refuse to work
    with a revision that it cannot find, and leaves rows alone that it does not see."""
    all_rows = migrations.get_current_heads
    is_known = context.config.attributes["is_known"]

    def known_rows() -> tuple[str, ...]:
        return tuple(row for row in all_rows() if is_known(row))

    migrations.get_current_heads = known_rows  # type: ignore[method-assign]


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # A migration written on one database has to run on all: only SQLite needs
        # tables to be altered in one go, and the others do not mind.
        render_as_batch=True,
        compare_server_default=True,
        include_object=include_object,
        render_item=render_item,
        process_revision_directives=leave_indexes_to_tables,
        transaction_per_migration=connection.dialect.name != "sqlite",
    )
    overlook_others(context.get_context())
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
