"""Branches of extensions: made, taken up and back, switched off, on each database."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, inspect

from foretell.core import schema
from foretell.core.branches import Branch
from foretell.core.db import Base, Database, UtcDateTime, table_options
from foretell.core.migration_scripts import scripts_of
from foretell.core.schema_errors import (
    MigrationMissing,
    MigrationRefused,
    SchemaOutdated,
)


def make_table(name: str, *columns: Column[Any]) -> Table:
    key = Column("id", String(36), primary_key=True)
    *_, options = table_options()
    return Table(name, Base.metadata, key, *columns, **options)


make_table(
    "branch_customers",
    Column("email", String(255), unique=True, nullable=False),
    Column("since", UtcDateTime, nullable=False, index=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False),
)
make_table("branch_orders", Column("customer_id", ForeignKey("branch_customers.id")))
make_table("branch_posts")


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def shop(tmp_path: Path) -> Branch:
    folder = tmp_path / "my shop" / "migrations"
    return Branch("my-shop", "my_shop", folder, frozenset({"branch_customers"}))


@pytest.fixture
def blog(tmp_path: Path) -> Branch:
    return Branch("blog", "blog", tmp_path / "blog", frozenset({"branch_posts"}))


async def tables_of(database: Database) -> set[str]:
    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda c: inspect(c).get_table_names())
    return {name for name in names if name.startswith("branch_")}


async def make(database: Database, branches: tuple[Branch, ...], branch: Branch) -> str:
    made = await schema.make_revision(database, "what changes", branches, branch=branch)
    assert made is not None
    return Path(made).name


async def test_an_extensions_tables_get_a_branch_of_its_own(database, shop, blog):
    branches = (shop, blog)
    assert await make(database, branches, shop) == "my_shop_0001_what_changes.py"
    source = next(shop.folder.glob("*.py")).read_text()
    assert 'branch_labels: str | Sequence[str] | None = ("my_shop",)' in source
    assert 'depends_on: str | Sequence[str] | None = "0001"' in source
    assert "branch_posts" not in source
    with pytest.raises(SchemaOutdated, match="my_shop_0001"):
        await schema.ensure_current(database, branches)
    await schema.upgrade(database, branches=branches)
    assert await make(database, branches, blog) == "blog_0001_what_changes.py"
    await schema.prepare(database, branches, may_upgrade=True)
    assert await schema.differences(database, branches) == []
    assert await tables_of(database) == {"branch_customers", "branch_posts"}
    more = Branch("my-shop", "my_shop", shop.folder, shop.tables | {"branch_orders"})
    branches = (more, blog)
    assert await make(database, branches, more) == "my_shop_0002_what_changes.py"
    await schema.upgrade(database, branches=branches)
    assert await schema.differences(database, branches) == []
    await schema.downgrade(database, "my-shop@-1", branches)
    assert await tables_of(database) == {"branch_customers", "branch_posts"}
    await schema.downgrade(database, "my-shop@base", branches)
    assert await tables_of(database) == {"branch_posts"}
    await schema.upgrade(database, branches=branches)
    await schema.ensure_current(database, branches)
    assert await schema.downgrade(database, "base", branches) == "nothing"
    assert await tables_of(database) == set()


async def test_what_has_no_difference_gets_no_migration(database, shop):
    await make(database, (shop,), shop)
    again = await schema.make_revision(database, "again", (shop,), branch=shop)
    assert again is None
    empty = await schema.make_revision(
        database, "by hand", (shop,), branch=shop, is_empty=True
    )
    assert Path(str(empty)).name == "my_shop_0002_by_hand.py"
    assert await schema.make_revision(database, "ours", (shop,)) is None


async def test_a_table_or_column_without_a_migration_is_refused(database, shop):
    with pytest.raises(MigrationMissing) as refused:
        await schema.prepare(database, (shop,), may_upgrade=True)
    assert "the table branch_customers" in refused.value.detail
    assert "foretell db revision --extension my-shop -m" in refused.value.detail
    await make(database, (shop,), shop)
    await schema.prepare(database, (shop,), may_upgrade=True)
    table = Base.metadata.tables["branch_customers"]
    table.append_column(Column("note", String(10)))
    try:
        with pytest.raises(MigrationMissing, match="the column branch_customers"):
            await schema.prepare(database, (shop,), may_upgrade=True)
    finally:
        table._columns.remove(table.c.note)


async def test_what_is_switched_off_is_left_alone(database, shop, blog):
    for branch in (shop, blog):
        await make(database, (shop, blog), branch)
    await schema.upgrade(database, branches=(shop, blog))
    with_blog = (blog,)
    await schema.ensure_current(database, with_blog)
    await schema.upgrade(database, branches=with_blog)
    assert await schema.differences(database, with_blog) == []
    with pytest.raises(MigrationRefused, match="my_shop_0001"):
        await schema.downgrade(database, "base", with_blog)
    assert "branch_customers" in await tables_of(database)
    await schema.downgrade(database, "blog@base", with_blog)
    assert await tables_of(database) == {"branch_customers"}
    await schema.ensure_current(database, (shop,))


async def test_what_alembic_cannot_find_is_a_refusal(database):
    with pytest.raises(MigrationRefused, match="nonsense"):
        await schema.upgrade(database, "nonsense")


def test_ids_are_short_and_no_two_branches_share_one(tmp_path):
    long = [Branch("n", "n" * 60 + end, tmp_path, frozenset()) for end in "ab"]
    ids = {branch.revision_id(7) for branch in long}
    assert len(ids) == 2
    assert all(len(i) <= 32 and i.endswith("_0007") for i in ids)
    assert scripts_of(()).next_id(long[0]).endswith("_0001")
