"""Cursors and filters of lists."""

import pytest

from tests.resources.application import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_cursor_suffices_and_must_not_be_contradicted(
    on_sqlite: Served,
) -> None:
    items = [{"id": f"{n}", "i": n % 2, "s": "x"} for n in range(6)]
    await on_sqlite.ann.post("/api/everything/bulk", json={"items": items})
    params = {"where": "s = 'x'", "sort": "-id", "i": "1", "limit": "2"}
    first = await on_sqlite.ann.get("/api/everything", params=params)
    assert [row["id"] for row in first.json()["items"]] == ["5", "3"]
    link = first.headers["link"]
    assert link.endswith('; rel="next"')
    alone = {"cursor": first.json()["next"]}
    rest = await on_sqlite.ann.get("/api/everything", params=alone)
    assert [row["id"] for row in rest.json()["items"]] == ["1"]
    same = await on_sqlite.ann.get(link.partition(">")[0].removeprefix("<"))
    assert same.json()["items"] == rest.json()["items"]
    for name, value in (("where", "s = 'y'"), ("sort", "id"), ("i", "0"), ("s", "x")):
        answer = await on_sqlite.ann.get(
            "/api/everything", params={**alone, name: value}
        )
        assert answer.status_code == 422, name
        assert answer.json()["errors"][0]["pointer"] == f"/query/{name}"
    forged = {"cursor": first.json()["next"][:-4] + "AAAA"}
    assert (await on_sqlite.ann.get("/api/cities", params=alone)).status_code == 422
    answer = await on_sqlite.ann.get("/api/everything", params=forged)
    assert answer.json()["type"].endswith("/cursor-invalid")


async def test_indexed_columns_filter_a_list(resources: Served) -> None:
    key = "01939f2c-7d1e-7c3a-9b3f-2f8d1c5e6a70"
    items = [
        {"id": "a", "i": 1, "s": "x"},
        {"id": "b", "i": 1, "s": "x "},
        {"id": "c", "i": 2, "s": "X", "u": key},
    ]
    await resources.ann.post("/api/everything/bulk", json={"items": items})
    for query, wanted in (
        ({"i": "1"}, ["a", "b"]),
        ({"s": "x"}, ["a"]),
        ({"s": "X"}, ["c"]),
        ({"u": key}, ["c"]),
        ({"u": key.upper()}, ["c"]),
        ({"i": "1", "s": "x "}, ["b"]),
        ({"i": "3"}, []),
        ({"id": "b"}, ["b"]),
    ):
        answer = await resources.ann.get("/api/everything", params=query)
        assert [row["id"] for row in answer.json()["items"]] == wanted, query
