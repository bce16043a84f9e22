"""Bad input: refused, with a pointer to the field, before anything is written."""

from typing import Any

import pytest

from tests.resources.application import Served

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"i": True}, "/i"),
    ({"i": "12"}, "/i"),
    ({"i": 1.0}, "/i"),
    ({"i": 2**63}, "/i"),
    ({"i": -(2**63) - 1}, "/i"),
    ({"x": True}, "/x"),
    ({"x": "1.5"}, "/x"),
    ({"p": True}, "/p"),
    ({"p": "1e3"}, "/p"),
    ({"p": "0.00001"}, "/p"),
    ({"p": "123456789012"}, "/p"),
    ({"p": "NaN"}, "/p"),
    ({"b": 1}, "/b"),
    ({"b": "true"}, "/b"),
    ({"s": 5}, "/s"),
    ({"s": "x" * 201}, "/s"),
    ({"s": "a\0b"}, "/s"),
    ({"d": "2024-02-30"}, "/d"),
    ({"d": 0}, "/d"),
    ({"d": "2024-02-29T00:00:00"}, "/d"),
    ({"c": 5}, "/c"),
    ({"c": "25:00"}, "/c"),
    ({"t": "2024-01-01T00:00:00"}, "/t"),
    ({"t": 1}, "/t"),
    ({"u": "x"}, "/u"),
    ({"e": "RED"}, "/e"),
    ({"tags": {"a": "\0"}}, "/tags"),
    ({"tags": {"a": 2**70}}, "/tags"),
    ({"version": 3}, "/version"),
    ({"created_at": "2024-01-01T00:00:00Z"}, "/created_at"),
    ({"unknown": 1}, "/unknown"),
]


@pytest.mark.parametrize(("values", "pointer"), REFUSED)
async def test_a_wrong_value_is_refused(
    on_sqlite: Served, values: dict[str, Any], pointer: str
) -> None:
    for answer in (
        await on_sqlite.ann.post("/api/everything", json={"id": "a", **values}),
        await on_sqlite.ann.patch("/api/everything/a", json=values),
    ):
        assert answer.status_code == 422, answer.text
        assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
    assert (await on_sqlite.ann.get("/api/everything")).json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "a", "s": "\\ud800"}',
        b'{"id": "a", "tags": {"\\udc00": 1}}',
        b'{"id": "a", "x": NaN}',
        b'{"id": "a", "x": Infinity}',
        b'{"id": "a", "x": 1e999}',
        b'{"id": "a", "\\udc00": 1}',
        b'{"id": null}',
        b"{}",
        b"[]",
        b"{",
        b"",
    ],
)
async def test_a_broken_body_is_refused(on_sqlite: Served, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await on_sqlite.ann.post("/api/everything", content=body, headers=headers)
    assert answer.status_code == 422, answer.text


async def test_a_null_is_refused_where_none_may_be(on_sqlite: Served) -> None:
    body = {"email": "a@x.org", "name": "Ann"}
    row = (await on_sqlite.ann.post("/api/customers", json=body)).json()
    place = f"/api/customers/{row['id']}"
    for name in ("email", "name", "balance"):
        answer = await on_sqlite.ann.patch(place, json={name: None})
        assert answer.json()["errors"][0]["pointer"] == f"/{name}"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=1001", "/query/limit"),
        ("limit=x", "/query/limit"),
        ("sort=nope", "/query/sort"),
        ("sort=tags", "/query/sort"),
        ("sort=i,,j", "/query/sort"),
        ("sort=i,-i", "/query/sort"),
        ("expand=nope", "/query/expand"),
        ("nope=1", "/query/nope"),
        ("i=x", "/query/i"),
        ("x=1.5", "/query/x"),
        ("u=x", "/query/u"),
    ],
)
async def test_a_wrong_parameter_is_refused(
    on_sqlite: Served, query: str, pointer: str
) -> None:
    answer = await on_sqlite.ann.get(f"/api/everything?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nope = 1", "no column 'nope'"),
        ("i", "condition is needed"),
        ("i = 'x'", "cannot be compared"),
        ("tags = 'x'", "cannot be compared"),
        ("lower(s) = 'x'", "lower cannot be used"),
        ("upper(s) = 'x'", "Available: comparisons"),
        ("trim(s) = 'x'", "trim cannot be used"),
        ("round(x, 2) = 1", "round cannot be used"),
        ("x + 1 > 2", "arithmetic on numbers with decimals"),
        ("i * j > 2", "two computed numbers"),
        ("i = ", "At character"),
    ],
)
async def test_a_wrong_condition_is_explained(
    on_sqlite: Served, where: str, words: str
) -> None:
    answer = await on_sqlite.ann.get("/api/everything", params={"where": where})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


async def test_hidden_and_write_only_columns_stay_inside(on_sqlite: Served) -> None:
    answer = await on_sqlite.ann.get("/api/customers", params={"where": "password='x'"})
    assert "no column 'password'" in answer.json()["detail"]
    assert (await on_sqlite.ann.get("/api/customers?sort=password")).status_code == 422
