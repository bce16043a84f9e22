"""Pages by any sort: each row once, in order, forwards and back."""

import random
from datetime import datetime
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from tests.resources.looping import Looping
from tests.resources.models import everything

COLUMNS = ["i", "j", "x", "p", "s", "long", "d", "c", "t", "u", "e", "b", "id"]
VALUES: dict[str, list[Any]] = {
    "i": [None, -3, 0, 7, 2**63 - 1],
    "j": [None, 1, 2],
    "x": [None, -1.5, 0.1, 3.0],
    "p": [None, "-1.0001", "0.0000", "20.0000", "3.0000"],
    "s": [None, "", "a", "A", "ab", "ä", "Z", "\U0001f600", "\ufb01"],
    "long": [None, "x", "y"],
    "d": [None, "2024-02-29", "1999-01-01"],
    "c": [None, "00:00:00", "12:30:00.000001"],
    "t": [None, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000001Z"],
    "u": [
        None,
        f"{'0' * 8}-0000-7000-8000-{'0' * 12}",
        f"{'f' * 8}-0000-4000-8000-{'0' * 12}",
    ],
    "e": [None, "red", "dark-green"],
    "b": [None, True, False],
}
QUIET = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ROWS = 40

sorts = st.lists(
    st.tuples(st.sampled_from(COLUMNS), st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda key: key[0],
)
wheres = st.sampled_from([None, "i > 0 OR i IS NULL", "s LIKE 'a%'", "p < 10", "FALSE"])


def _fill(many: Looping) -> list[dict[str, Any]]:
    """Rows with nulls and ties, the same for every test of the module."""
    chance = random.Random(7)  # noqa: S311
    items = [
        {"id": f"{n:02}", **{k: chance.choice(v) for k, v in VALUES.items()}}
        for n in range(ROWS)
    ]
    chance.shuffle(items)

    async def fill() -> list[dict[str, Any]]:
        async with many.served.state.database.writing() as session:
            await session.execute(delete(everything.table))
        answer = await many.served.ann.post(
            "/api/everything/bulk", json={"items": items}
        )
        assert answer.status_code == 201, answer.text
        rows: list[dict[str, Any]] = answer.json()["items"]
        return rows

    return many.run(fill())


_FILLED: dict[int, list[dict[str, Any]]] = {}


def _rows_of(many: Looping) -> list[dict[str, Any]]:
    # Not a fixture: the property test's own calls share what the first has filled.
    if id(many) not in _FILLED:
        _FILLED[id(many)] = _fill(many)
    return _FILLED[id(many)]


def _value(name: str, value: Any) -> Any:
    """A value as it sorts; as texts, a second would come after its fractions."""
    if name == "p":
        return float(value)
    return datetime.fromisoformat(value) if name == "t" else value


def _ordered(
    rows: list[dict[str, Any]], sort: list[tuple[str, bool]]
) -> list[dict[str, Any]]:
    """What the contract says of order, by stable sorts from the last key on.

    `reverse=True` keeps ties as they were, which is what ties by key need.
    """
    found = sorted(rows, key=lambda row: row["id"])
    for name, is_down in reversed(sort):
        nulls = [row for row in found if row[name] is None]
        found = sorted(
            (row for row in found if row[name] is not None),
            key=lambda row: _value(name, row[name]),
            reverse=is_down,
        )
        found += nulls
    return found


async def _walk(
    client: httpx2.AsyncClient, first: dict[str, Any], end: str
) -> list[list[dict[str, Any]]]:
    """The pages from one on, following `next` or `prev`."""
    pages = []
    params: dict[str, Any] | None = first
    while params is not None:
        answer = await client.get("/api/everything", params=params)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        pages.append(body["items"])
        assert len(pages) <= ROWS + 1
        params = None
        if body[end] is not None:
            params = {"cursor": body[end], "limit": first["limit"]}
    return pages


@QUIET
@given(sort=sorts, where=wheres, limit=st.integers(1, 17))
def test_pages_hold_each_row_once_in_order(
    loop_of: Looping, sort: list[tuple[str, bool]], where: str | None, limit: int
) -> None:
    rows = _rows_of(loop_of)
    text = ",".join(("-" if is_down else "") + name for name, is_down in sort)
    params: dict[str, Any] = {"sort": text, "limit": limit}
    if where is not None:
        params["where"] = where

    async def check() -> None:
        client = loop_of.served.ann
        pages = await _walk(client, params, "next")
        found = [row for page in pages for row in page]
        kept = {row["id"] for row in found}
        assert len(kept) == len(found)
        assert found == _ordered([row for row in rows if row["id"] in kept], sort)
        if where is None:
            assert len(kept) == ROWS
        if len(pages) > 1:
            await _walk_back(client, params, pages)

    loop_of.run(check())


async def _walk_back(
    client: httpx2.AsyncClient,
    params: dict[str, Any],
    pages: list[list[dict[str, Any]]],
) -> None:
    second = (await client.get("/api/everything", params=params)).json()["next"]
    here = (await client.get("/api/everything", params={"cursor": second})).json()
    back = await client.get(
        "/api/everything", params={"cursor": here["prev"], "limit": params["limit"]}
    )
    assert back.json()["items"] == pages[0]
    assert back.json()["prev"] is None
    assert back.json()["next"] is not None
