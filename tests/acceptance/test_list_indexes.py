"""Each filter of a list is answered by an index, on every database."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Table, text, update

from foretell.auth.tables import AuditEntry
from foretell.core.clock import FakeClock
from foretell.core.db import Base, Database
from foretell.jobs.tables import Job
from foretell.testing.people import SignIn
from tests.acceptance.counting import counted, watch
from tests.acceptance.inprocess import running
from tests.acceptance.multiplying import EMAIL, make_originals, multiply

COUNT = 3000
PAGING = {"limit", "cursor"}
RARE = "11111111-1111-7111-8111-111111111111"
# What each filter is about: a table, a column and a value that few rows have.
FILTERS: Mapping[tuple[str, str], tuple[Any, str, str]] = {
    ("/api/audit", "actor_id"): (AuditEntry, "actor_id", RARE),
    ("/api/audit", "action"): (AuditEntry, "action", "nothing.done"),
    ("/api/audit", "object_id"): (AuditEntry, "object_id", RARE),
    ("/api/jobs", "state"): (Job, "state", "failed"),
    ("/api/jobs", "task"): (Job, "task", "system.echo"),
    ("/api/jobs", "parent_id"): (Job, "parent_id", RARE),
}
# Read from the file of a version, not from the database.
OF_ROWS = {"version", "select", "where", "sort", "after_row", "seek", "max_cell"}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "mysql": "EXPLAIN"}


def lists(app: FastAPI) -> dict[str, set[str]]:
    """The filters of each list of the document."""
    found = {}
    for path, item in app.openapi()["paths"].items():
        parameters = item.get("get", {}).get("parameters", ())
        query = {p["name"] for p in parameters if p["in"] == "query"}
        if query >= PAGING:
            found[path] = query - PAGING - OF_ROWS
    return found


def indexes_on(table: Table, column: str) -> set[str]:
    """Names of the indexes, unique ones and the key included, that begin with it."""
    found = {str(index.name) for index in table.indexes if first(index) == column}
    for constraint in table.constraints:
        if first(constraint) == column:
            found.add(str(constraint.name))
    return found


def first(index: Any) -> str:
    return (
        next((c.name for c in index.columns), "") if hasattr(index, "columns") else ""
    )


@pytest.fixture
async def site(database_url, tmp_path):
    """An application with many objects of each kind, and a client of its admin."""
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            running(tmp_path, clock=FakeClock(), database_url=SecretStr(database_url))
        )
        database: Database = app.state.foretell.database
        watch(database)
        client = await SignIn(app, stack)("admin", email=EMAIL)
        originals = await make_originals(app, client, 10)
        await multiply(database, originals, COUNT)
        await make_rare(database)
        yield app, client, originals


async def make_rare(database: Database) -> None:
    """Give each filter a value that only one row has, and the planner its figures."""
    async with database.engine.begin() as connection:
        for table, column, value in FILTERS.values():
            one = await connection.scalar(table.__table__.select().limit(1))
            change = {column: value}
            await connection.execute(
                update(table).where(table.id == one).values(change)
            )
    async with database.reading_engine.connect() as connection:
        if database.dialect == "mysql":
            names = ", ".join(Base.metadata.tables)
            await connection.execute(text(f"ANALYZE TABLE {names}"))
        else:
            await connection.execute(text("ANALYZE"))


async def plan_of(database: Database, statement: str, values: Any) -> str:
    explain = EXPLAIN.get(database.dialect, "EXPLAIN")
    async with database.reading_engine.connect() as connection:
        found = await connection.exec_driver_sql(f"{explain} {statement}", values)
        return "\n".join(str(tuple(row)) for row in found)


@pytest.mark.slow
async def test_each_filter_of_a_list_has_an_index(site):
    app, client, _ = site
    asked = {(path, name) for path, names in lists(app).items() for name in names}
    assert asked == set(FILTERS)
    database = app.state.foretell.database
    for (path, name), (table, column, value) in FILTERS.items():
        with counted() as statements:
            answer = await client.get(path, params={name: value})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == 1, (path, name)
        statement, values = next(
            (s, v) for s, v in statements.texts if f"FROM {table.__tablename__}" in s
        )
        plan = await plan_of(database, statement, values)
        wanted = indexes_on(table.__table__, column)
        assert any(index in plan for index in wanted), f"{path}?{name}\n{plan}"


@pytest.mark.slow
async def test_no_list_sorts_its_table_to_find_a_page(site):
    app, client, originals = site
    database = app.state.foretell.database
    for path in lists(app):
        address = path.replace("{name}", originals.dataset)
        address = address.replace("{model}", originals.model)
        address = address.replace("{alias}", "champion")
        for kind in ("{recipe}", "{feature_set}"):
            address = address.replace(kind, originals.dataset)
        first_page = (await client.get(address, params={"limit": 10})).json()
        cursor = first_page.get("next")
        params = {"limit": 10, **({"cursor": cursor} if cursor else {})}
        with counted() as statements:
            assert (await client.get(address, params=params)).status_code == 200
        for statement, values in statements.texts:
            if "LIMIT" in statement:
                plan = await plan_of(database, statement, values)
                assert not scans(database.dialect, plan), f"{path}\n{plan}"


def scans(dialect: str, plan: str) -> bool:
    """Whether a whole table is read or sorted."""
    if dialect == "sqlite":
        return "USE TEMP B-TREE FOR ORDER BY" in plan or any(
            "SCAN" in line and "USING" not in line for line in plan.splitlines()
        )
    if dialect == "postgresql":
        return "Seq Scan" in plan
    return "'ALL'" in plan
