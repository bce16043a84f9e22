"""Runs Alembic on a connection that `foretell.core.schema` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.render import _repr_type
from sqlalchemy import Connection, TypeDecorator

from foretell.core.db import Base, UtcDateTime
from foretell.migrations import table_modules

table_modules.load()


def include_object(
    _object: Any, name: str | None, kind: str, is_reflected: bool, _other: Any
) -> bool:
    """Leave tables alone that are not of Foretell or an extension."""
    return not (kind == "table" and is_reflected and name not in Base.metadata.tables)


def render_item(kind: str, item: Any, context_: Any) -> str | Literal[False]:
    """Write our own column types in words that stay true when code moves."""
    if kind == "type" and isinstance(item, UtcDateTime):
        context_.imports.add("from foretell.core.db import UtcDateTime")
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, TypeDecorator):
        return str(_repr_type(item.impl_instance, context_))
    return False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
        include_object=include_object,
        render_item=render_item,
        transaction_per_migration=connection.dialect.name != "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
