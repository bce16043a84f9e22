"""Runs Alembic on a connection that `foretell.core.schema` hands over."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from foretell.core.db import Base
from foretell.migrations import table_modules

table_modules.load()


def include_object(
    _object: Any, name: str | None, kind: str, is_reflected: bool, _other: Any
) -> bool:
    """Leave tables alone that are not of Foretell or an extension."""
    return not (kind == "table" and is_reflected and name not in Base.metadata.tables)


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
        include_object=include_object,
        transaction_per_migration=connection.dialect.name != "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
