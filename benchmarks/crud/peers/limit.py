"""The limit: bare Starlette, asyncpg, orjson. No credential, no validation."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .ids import new_id

COLUMNS = "id, version, created_at, updated_at, email, name, city, credit, active"
LIST = f"SELECT {COLUMNS} FROM customers WHERE city = $1 ORDER BY id LIMIT $2"
AFTER = (
    f"SELECT {COLUMNS} FROM customers WHERE city = $1 AND id > $2 ORDER BY id LIMIT $3"
)
GET = f"SELECT {COLUMNS} FROM customers WHERE id = $1"
FULL = f"""
SELECT {COLUMNS}, (
    SELECT coalesce(json_agg(o), '[]') FROM (
        SELECT id, version, created_at, updated_at, customer_id,
               amount::text AS amount, status
        FROM orders WHERE customer_id = $1 ORDER BY id DESC LIMIT 10
    ) AS o
) AS orders FROM customers WHERE id = $1"""
INSERT = f"INSERT INTO customers ({COLUMNS}) VALUES ($1,1,$2,$2,$3,$4,$5,$6,$7) RETURNING {COLUMNS}"
PATCH = f"""
UPDATE customers SET name = $1, version = version + 1, updated_at = $2
WHERE id = $3 AND version = $4 RETURNING {COLUMNS}"""
BULK = f"""
INSERT INTO customers ({COLUMNS})
SELECT i, 1, $1, $1, e, n, c, d, a
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::bool[])
    AS t(i, e, n, c, d, a) RETURNING {COLUMNS}"""


def answer(value: Any, status: int = 200) -> Response:
    body = orjson.dumps(value, default=str)
    return Response(body, status, media_type="application/json")


def one(row: asyncpg.Record | None, missing: int = 404, status: int = 200) -> Response:
    if row is None:
        return answer({"detail": "not found"}, missing)
    return answer(dict(row), status)


async def list_customers(request: Request) -> Response:
    query = request.query_params
    limit, after = int(query.get("limit", "20")), query.get("cursor")
    async with request.app.state.pool.acquire() as connection:
        if after is None:
            rows = await connection.fetch(LIST, query["city"], limit)
        else:
            rows = await connection.fetch(AFTER, query["city"], after, limit)
    items = [dict(row) for row in rows]
    return answer({"items": items, "next": items[-1]["id"] if items else None})


async def get_customer(request: Request) -> Response:
    async with request.app.state.pool.acquire() as connection:
        return one(await connection.fetchrow(GET, request.path_params["id"]))


async def get_full(request: Request) -> Response:
    async with request.app.state.pool.acquire() as connection:
        row = await connection.fetchrow(FULL, request.path_params["id"])
    if row is None:
        return one(None)
    return answer({**row, "orders": orjson.Fragment(row["orders"])})


async def create_customer(request: Request) -> Response:
    body = orjson.loads(await request.body())
    values = (body["email"], body["name"], body["city"])
    try:
        async with request.app.state.pool.acquire() as connection:
            row = await connection.fetchrow(
                INSERT,
                new_id(),
                datetime.now(UTC),
                *values,
                Decimal(body["credit"]),
                body["active"],
            )
    except asyncpg.UniqueViolationError:
        return answer({"detail": "taken"}, 409)
    return one(row, status=201)


async def patch_customer(request: Request) -> Response:
    body = orjson.loads(await request.body())
    customer = request.path_params["id"]
    async with request.app.state.pool.acquire() as connection:
        row = await connection.fetchrow(
            PATCH, body["name"], datetime.now(UTC), customer, body["version"]
        )
        if row is None:
            row = await connection.fetchrow(GET, customer)
            return one(None, 404 if row is None else 409)
    return one(row)


async def create_many(request: Request) -> Response:
    items = orjson.loads(await request.body())["items"]
    columns = [
        [new_id() for _ in items],
        *([i[name] for i in items] for name in ("email", "name", "city")),
        [Decimal(i["credit"]) for i in items],
        [i["active"] for i in items],
    ]
    async with request.app.state.pool.acquire() as connection:
        rows = await connection.fetch(BULK, datetime.now(UTC), *columns)
    return answer({"items": [dict(row) for row in rows]}, 201)


class BareConnection(asyncpg.Connection):  # type: ignore[misc]
    """Without the reset query at each release: no session state is ever set."""

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    url = os.environ["BENCH_DATABASE_URL"].replace("+asyncpg", "")
    async with asyncpg.create_pool(
        url, min_size=10, max_size=10, connection_class=BareConnection
    ) as pool:
        app.state.pool = pool
        yield


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/customers", list_customers),
        Route("/customers", create_customer, methods=["POST"]),
        Route("/customers/bulk", create_many, methods=["POST"]),
        Route("/customers/{id}", get_customer),
        Route("/customers/{id}", patch_customer, methods=["PATCH"]),
        Route("/customers/{id}/full", get_full),
    ],
)
