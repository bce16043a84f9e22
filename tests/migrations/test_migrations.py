"""Every migration up, compared with the tables, down and up again, on each database."""

import asyncio

import pytest
from sqlalchemy import text

from foretell.core import schema
from foretell.core.db import Database
from foretell.core.schema_errors import SchemaOutdated, SchemaUnknown
from foretell.migrations import table_modules

table_modules.load()


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


async def test_migrations_make_exactly_the_tables_and_take_them_back(database):
    await schema.upgrade(database)
    assert await schema.differences(database) == []
    assert await schema.downgrade(database, "base") == "nothing"
    await schema.upgrade(database)
    await schema.ensure_current(database)


async def test_an_empty_database_is_refused_until_it_is_upgraded(database):
    with pytest.raises(SchemaOutdated, match="foretell db upgrade"):
        await schema.ensure_current(database)


async def test_a_schema_of_a_newer_version_is_refused(database):
    await schema.upgrade(database)
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num='9999'"))
    for step in (schema.ensure_current, schema.upgrade):
        with pytest.raises(SchemaUnknown, match="9999"):
            await step(database)


async def test_several_servers_that_start_at_once_upgrade_once(database_url):
    databases = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(schema.upgrade(database) for database in databases))
    await schema.ensure_current(databases[0])
    for database in databases:
        await database.close()
