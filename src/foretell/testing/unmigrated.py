"""Tables of extensions that have no migration yet."""

from foretell.core import schema
from foretell.core.db import Base
from foretell.core.migration_scripts import scripts_of
from foretell.core.parts import Parts
from foretell.extension.active import Extensions


async def make_tables(parts: Parts) -> None:
    """Run all migrations, and make the tables of extensions that have none.

    A model is often tested before it is final, and its migration comes after. From
    the first migration on, the tests have what the migrations make.
    """
    branches = parts.port(Extensions).branches()
    await schema.upgrade(parts.database, branches=branches)
    labels = scripts_of(branches).labels()
    names = {
        n for branch in branches if branch.label not in labels for n in branch.tables
    }
    if not names:
        return
    tables = [table for table in Base.metadata.sorted_tables if table.name in names]
    async with parts.database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=tables)
