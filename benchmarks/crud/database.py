"""Throw-away databases with the two tables: 100,000 customers, 500,000 orders.

Every contender meets the same tables and rows. Ids are made from the row's number,
so that a load can name any row. 5,000 customers have about 30 orders each; the
route with orders asks for those.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.crud import ours

CUSTOMERS, ORDERS, CITIES, RICH = 100_000, 500_000, 100, 5_000
POSTGRESQL = "postgresql+asyncpg://root@127.0.0.1:5432"
MYSQL = "mysql+asyncmy://root@127.0.0.1:3306"
ZEROTH = "2026-01-01 00:00:00"


def customer_id(number: int) -> str:
    return f"01900000-0000-7000-8000-{number:012x}"


def city(number: int) -> str:
    return f"city-{number % CITIES}"


_SERIES = {
    "postgresql": "generate_series(1, {0}) AS s(seq)",
    "sqlite": "(WITH RECURSIVE s(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s"
    " WHERE seq < {0}) SELECT seq FROM s)",
    "mysql": "seq_1_to_{0}",
}
_HEX = {
    "postgresql": "lpad(to_hex({0}), 12, '0')",
    "sqlite": "printf('%012x', {0})",
    "mysql": "lpad(lower(hex({0})), 12, '0')",
}


def _statements(dialect: str) -> list[str]:
    join = (lambda *p: f"concat({', '.join(p)})") if dialect == "mysql" else _piped
    moment = f"TIMESTAMP '{ZEROTH}'" if dialect != "sqlite" else f"'{ZEROTH}.000000'"
    if dialect == "postgresql":
        moment = f"timestamptz '{ZEROTH}+00'"
    digits = _HEX[dialect]
    # A decimal of a resource is a whole number of hundredths on SQLite.
    quarters = "(seq % {}) * 25" if dialect == "sqlite" else "(seq % {}) / 4.0"
    customer = join("'01900000-0000-7000-8000-'", digits.format("{0}"))
    order = join("'01910000-0000-7000-8000-'", digits.format("seq"))
    rich = ORDERS * 3 // 10
    owner = (
        f"CASE WHEN seq <= {rich} THEN seq % {RICH} + 1"
        f" ELSE seq % {CUSTOMERS - RICH} + {RICH + 1} END"
    )
    return [
        "INSERT INTO customers (id, version, created_at, updated_at, email, name, city,"
        f" credit, active) SELECT {customer.format('seq')}, 1, {moment}, {moment},"
        f" {join(_quoted('c'), 'seq', _quoted('@example.org'))},"
        f" {join(_quoted('Customer '), 'seq')},"
        f" {join(_quoted('city-'), f'seq % {CITIES}')},"
        f" {quarters.format(90000)}, seq % 3 <> 0 FROM {_SERIES[dialect].format(CUSTOMERS)}",
        "INSERT INTO orders (id, version, created_at, updated_at, customer_id, amount,"
        f" status) SELECT {order}, 1, {moment}, {moment}, {customer.format(owner)},"
        f" {quarters.format(70000)}, CASE WHEN seq % 5 = 0 THEN 'open' ELSE 'paid' END"
        f" FROM {_SERIES[dialect].format(ORDERS)}",
    ]


def _piped(*parts: str) -> str:
    return "(" + " || ".join(f"({part})" for part in parts) + ")"


def _quoted(words: str) -> str:
    return f"'{words}'"


def run(url: str, *statements: str) -> None:
    """Run statements, each in autocommit."""

    async def go() -> None:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                for statement in statements:
                    await connection.exec_driver_sql(statement)
        finally:
            await engine.dispose()

    asyncio.run(go())


def fill(url: str) -> None:
    """Make the tables and their rows in an empty database."""
    ours.foretell(url, "db", "upgrade")

    async def go() -> None:
        engine = create_async_engine(url)
        try:
            async with engine.begin() as connection:
                for statement in _statements(engine.dialect.name):
                    await connection.execute(text(statement))
        finally:
            await engine.dispose()

    asyncio.run(go())
    if url.startswith("postgresql"):
        # Nothing but a request may cost anything while a point is measured.
        run(
            url,
            "ALTER TABLE customers SET (autovacuum_enabled = false)",
            "VACUUM ANALYZE",
        )


@contextmanager
def throw_away(dialect: str, folder: Path) -> Iterator[str]:
    """The URL of a filled database, gone at the end of the block."""
    if dialect == "sqlite":
        url = f"sqlite+aiosqlite:///{folder}/bench.db"
        fill(url)
        yield url
        return
    server, admin = (
        (POSTGRESQL, "postgres") if dialect == "postgresql" else (MYSQL, "mysql")
    )
    name = f"foretell_bench_{secrets.token_hex(4)}"
    run(f"{server}/{admin}", f"CREATE DATABASE {name}")
    try:
        if dialect == "postgresql":
            # Otherwise the disk is measured, the same for all.
            run(
                f"{server}/{admin}",
                f"ALTER DATABASE {name} SET synchronous_commit = off",
            )
        fill(f"{server}/{name}")
        yield f"{server}/{name}"
    finally:
        force = " WITH (FORCE)" if dialect == "postgresql" else ""
        run(f"{server}/{admin}", f"DROP DATABASE {name}{force}")


def restore(url: str, table: str = "customers") -> None:
    """Take back what writing points did."""
    number = "substr(email, 2, length(email) - 13)"
    named = f"concat('Customer ', {number})"
    if url.startswith("sqlite"):
        named = _piped(_quoted("Customer "), number)
    statements = [
        f"DELETE FROM {table} WHERE id > '{customer_id(CUSTOMERS)}'",
        f"UPDATE {table} SET version = 1, updated_at = created_at, name = {named}"
        " WHERE version > 1",
    ]
    if url.startswith("postgresql"):
        statements.append(f"VACUUM {table}")
    run(url, *statements)


async def _backends(url: str) -> list[int]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        rows: list[Any] = await connection.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
    return [row["pid"] for row in rows]


def backends(url: str) -> list[int]:
    """The server processes behind the open connections of a PostgreSQL database."""
    return asyncio.run(_backends(url)) if url.startswith("postgresql") else []
