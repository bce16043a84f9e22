"""The rows of a table in PostgreSQL, by asyncpg behind FastAPI: what one would write."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["PEER_DSN"], max_size=16) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
TABLE = os.environ.get("PEER_TABLE", "bench_rows")
QUERIES = {
    "first": f"SELECT * FROM {TABLE} ORDER BY id LIMIT 100",
    "keyset": f"SELECT * FROM {TABLE} WHERE id > $1 ORDER BY id LIMIT 100",
    "point": f"SELECT * FROM {TABLE} WHERE id = $1",
    "token": f"SELECT * FROM {TABLE} WHERE token = $1",
    "sorted": f"SELECT * FROM {TABLE} ORDER BY price DESC LIMIT 100",
    "filtered": f"SELECT * FROM {TABLE} WHERE country = 'CH' AND price > 100 "
    "ORDER BY price DESC LIMIT 100",
    "group": f"SELECT country, count(*), avg(price) FROM {TABLE} GROUP BY country",
    "distinct": f"SELECT count(DISTINCT sku) FROM {TABLE}",
    "contains": f"SELECT count(*) FROM {TABLE} WHERE note LIKE '%a, b%'",
}
TEXTS = frozenset({"token"})


@app.get("/healthz")
async def healthz() -> Response:
    return Response("ok")


@app.get("/{name}")
async def answer(name: str, request: Request) -> Response:
    value = request.query_params.get("value")
    arguments = [] if value is None else [value if name in TEXTS else int(value)]
    found = await app.state.pool.fetch(QUERIES[name], *arguments)
    return Response(
        orjson.dumps([dict(row) for row in found]), media_type="application/json"
    )
