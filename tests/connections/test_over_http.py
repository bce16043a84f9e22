"""Connections over HTTP: put, tried, shared; datasets in and out by them."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import asyncpg
import httpx2
import pytest
from redis import Redis

from foretell.core.connectors import Target
from tests.connections.conftest import Reach
from tests.outside import fields_of
from tests.served import unique, upload

WAIT = {"Prefer": "wait=50"}
CSV = """id,name,price,born,seen,ok,share
1,Zoë,12.50,1990-01-31,2026-01-01T10:00:00Z,true,0.5
2,"a ""b"", c",,,,,
3,😀,0.10,1970-12-01,2025-06-30T23:59:59.123456Z,false,1.5
"""
TYPES = {"types": {"price": "decimal"}}


def put(client: httpx2.Client, target: Target, **more: Any) -> str:
    name = unique(target.kind)
    answer = client.put(f"/api/connections/{name}", json=fields_of(target) | more)
    assert answer.status_code == 201, answer.text
    return name


def file_connection(reach: Reach) -> tuple[str, str]:
    """A connection to a new SQLite file, and the file's path."""
    file = f"{unique('file')}.db"
    with closing(sqlite3.connect(reach.files / file)) as made:
        made.execute("CREATE TABLE people (id INTEGER, name TEXT)")
        made.executemany("INSERT INTO people VALUES (?, ?)", [(1, "a"), (2, "b")])
        made.commit()
    name = unique("sqlite")
    body = {"kind": "sqlite", "path": file}
    assert reach.editor.put(f"/api/connections/{name}", json=body).status_code == 201
    return name, str(reach.files / file)


def rows(client: httpx2.Client, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/datasets/{name}/rows").json()[
        "items"
    ]
    return found


def types(document: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in document["columns"]}


def read_in(client: httpx2.Client, source: dict[str, Any]) -> dict[str, Any]:
    body = {"name": unique("in"), "source": source}
    answer = client.post("/api/datasets", json=body, headers=WAIT)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def export(client: httpx2.Client, dataset: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/datasets/{dataset}/export", json=body, headers=WAIT)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    assert job["state"] == "succeeded", job
    result: dict[str, Any] = job["result"]
    return result


@pytest.mark.parametrize(
    ("target", "place"),
    [("postgresql", "table"), ("mysql", "table"), ("mongodb", "collection")],
    indirect=["target"],
)
def test_a_dataset_goes_out_and_comes_back(reach: Reach, target: Target, place: str):
    editor, dataset, table = reach.editor, unique("out"), unique("t")
    assert upload(editor, dataset, CSV, options=TYPES).status_code == 201
    connection = put(editor, target)
    tried = editor.post(f"/api/connections/{connection}/test").json()
    assert tried["ok"], tried
    done = export(
        editor, dataset, connection=connection, mode="replace", **{place: table}
    )
    assert done["rows"] == 3
    listed = editor.get(f"/api/connections/{connection}/tables").json()["items"]
    assert table in [item["name"] for item in listed]
    back = read_in(editor, {"connection": connection, place: table})
    assert back["source"]["connection"] == connection
    assert back["source"][place] == table
    wanted = types(editor.get(f"/api/datasets/{dataset}").json())
    if target.kind == "mongodb":  # has moments, and no dates
        wanted |= {"_id": "text", "born": "timestamp"}
    found = {name: kind for name, kind in types(back).items()}
    assert found == wanted
    if target.kind == "postgresql":
        assert rows(editor, back["name"]) == rows(editor, dataset)


def test_sqlite_goes_out_and_comes_back(reach: Reach):
    editor, dataset = reach.editor, unique("out")
    assert upload(editor, dataset, CSV, options=TYPES).status_code == 201
    connection, _ = file_connection(reach)
    for _ in range(2):
        export(editor, dataset, connection=connection, table="t", mode="replace")
    back = read_in(editor, {"connection": connection, "table": "t"})
    assert types(back) == types(editor.get(f"/api/datasets/{dataset}").json())
    assert rows(editor, back["name"]) == rows(editor, dataset)
    export(editor, dataset, connection=connection, table="t", mode="append")
    query = "SELECT name, count(*) AS n FROM t GROUP BY name -- all"
    counted = read_in(editor, {"connection": connection, "query": query})
    assert {row["n"] for row in rows(editor, counted["name"])} == {2}


def test_rows_go_to_a_redis_hash(reach: Reach, redis: Target):
    editor, dataset, key = reach.editor, unique("out"), unique("key")
    assert upload(editor, dataset, CSV, options=TYPES).status_code == 201
    connection = put(editor, redis)
    said = {"connection": connection, "key": key, "mode": "replace"}
    export(editor, dataset, **said, key_column="id")
    with Redis(host=redis.host, port=redis.port, decode_responses=True) as client:
        assert set(client.hgetall(key)) == {"1", "2", "3"}
        export(editor, dataset, **{**said, "mode": "append"})
        assert len(client.hgetall(key)) == 6
        assert len(client.keys(f"*{key}*")) == 1
    wrong = {**said, "key_column": "none"}
    answer = editor.post(f"/api/datasets/{dataset}/export", json=wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/key_column"


def test_only_what_is_new_is_read(reach: Reach):
    editor = reach.editor
    connection, path = file_connection(reach)
    source = {"connection": connection, "table": "people", "incremental": "id"}
    made = read_in(editor, source)
    more = f"/api/datasets/{made['name']}/versions"
    body = {"source": source, "mode": "append"}
    again = editor.post(more, json=body, headers=WAIT)
    assert again.status_code == 201, again.text
    assert editor.get(f"/api/datasets/{made['name']}").json()["version"] == 1
    with closing(sqlite3.connect(path)) as file:
        file.execute("INSERT INTO people VALUES (3, 'c')")
        file.commit()
    added = editor.post(more, json=body, headers=WAIT)
    assert added.json()["version"] == 2, added.text
    assert [row["id"] for row in rows(editor, made["name"])] == [1, 2, 3]
    other = {**source, "incremental": "name"}
    refused = editor.post(more, json={**body, "source": other}, headers=WAIT)
    assert refused.json()["type"].endswith("/not-incremental"), refused.text


def test_a_query_that_is_more_than_a_select_is_refused(reach: Reach):
    connection, path = file_connection(reach)
    for query in ("DELETE FROM people", "SELECT 1; DROP TABLE people", "SELECT '"):
        source = {"connection": connection, "query": query}
        body = {"name": unique("x"), "source": source}
        answer = reach.editor.post("/api/datasets", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["type"].endswith("/query-not-read-only")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM people").fetchone() == (2,)


def test_others_do_not_see_it_until_it_is_shared(reach: Reach):
    editor, other = reach.editor, reach.other
    connection, _ = file_connection(reach)
    made = read_in(editor, {"connection": connection, "table": "people"})
    path = f"/api/connections/{connection}"
    source = {"connection": connection, "table": "people"}
    body = {"name": unique("stolen"), "source": source}
    for answer in (
        other.get(path),
        other.delete(path),
        other.post(f"{path}/test"),
        other.get(f"{path}/tables"),
        other.patch(path, json={"visibility": "everyone"}),
        other.post("/api/datasets", json=body),
    ):
        assert answer.status_code == 404, answer.text
    assert other.put(path, json={"kind": "sqlite", "path": "x.db"}).status_code == 409
    listed = other.get("/api/connections?limit=1000").json()["items"]
    assert connection not in [item["name"] for item in listed]
    shared = editor.patch(path, json={"readers": ["other@example.org"]})
    assert shared.status_code == 200, shared.text
    assert read_in(other, source)["rows"] == 2
    assert other.delete(path).status_code == 403
    # What they may read they may not take out of a dataset that is not theirs.
    said = {"connection": connection, "table": "t", "mode": "replace"}
    stolen = other.post(f"/api/datasets/{made['name']}/export", json=said)
    assert stolen.status_code == 404


def test_deeds_are_in_the_audit_log(reach: Reach):
    connection, _ = file_connection(reach)
    assert reach.editor.delete(f"/api/connections/{connection}").status_code == 204
    found = reach.admin.get(f"/api/audit?object_id={connection}").json()["items"]
    assert {e["action"] for e in found} == {"connection.create", "connection.delete"}


def test_what_postgresql_has_arrives_typed(reach: Reach, postgresql: Target):
    async def fill() -> None:
        made = await asyncpg.connect(
            host=postgresql.address,
            port=postgresql.port,
            user=postgresql.username,
            database=postgresql.database,
        )
        await made.execute(ODD)
        await made.close()

    asyncio.run(fill())
    connection = put(reach.editor, postgresql)
    made = read_in(reach.editor, {"connection": connection, "table": "odd"})
    assert types(made) == {
        "i": "integer",
        "n": "decimal",
        "f": "float",
        "u": "text",
        "j": "text",
        "a": "list",
        "b": "binary",
        "ts": "timestamp",
        "tz": "timestamp",
        "d": "text",
        "iv": "duration",
        "none": "date",
    }
    first, second = rows(reach.editor, made["name"])
    assert first["n"] == "12345678901234567890.12"
    assert first["a"] == [1, None, 3]
    assert first["b"] == "AP8="
    assert first["ts"] == "2026-03-29T02:30:00"
    assert first["tz"] == "2026-03-29T01:30:00Z"
    assert first["iv"] == "P1DT2H"
    assert second["f"] is None
    assert second["n"] is None
    assert second["d"] == "infinity"
    codes = {f["column"]: f["code"] for f in made["source"]["findings"]}
    assert codes["n"] == "non_finite"
    assert codes["d"] == "mixed_types"
    assert codes["u"] == codes["j"] == "type_changed"
    missing = {"connection": connection, "table": "none"}
    body = {"name": unique("x"), "source": missing}
    answer = reach.editor.post("/api/datasets", json=body, headers=WAIT)
    assert answer.status_code == 404, answer.text
    assert answer.json()["type"].endswith("/source-not-found")


ODD = """
CREATE TABLE odd (i int, n numeric, f float8, u uuid, j jsonb, a int[], b bytea,
  ts timestamp, tz timestamptz, d date, iv interval, none date);
INSERT INTO odd VALUES (1, 12345678901234567890.12, 1.5, gen_random_uuid(),
  '{"a": 1}', '{1,NULL,3}', '\\x00ff', '2026-03-29 02:30', '2026-03-29 03:30+02',
  '2020-02-29', '1 day 2 hours', NULL),
 (2, 'NaN', 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, 'infinity', NULL, NULL);
"""


@pytest.mark.parametrize(
    ("target", "place"),
    [("postgresql", "table"), ("mysql", "table"), ("mongodb", "collection")],
    indirect=["target"],
)
def test_a_dry_run_of_a_source_shows_its_first_rows_and_stores_nothing(
    reach: Reach, target: Target, place: str
):
    editor, dataset, table = reach.editor, unique("dry"), unique("t")
    lines = "id,name,price\n" + "".join(f"{n},n{n},{n}.5\n" for n in range(1_500))
    assert upload(editor, dataset, lines).status_code == 201
    connection = put(editor, target)
    export(editor, dataset, connection=connection, mode="replace", **{place: table})
    source = {"connection": connection, place: table}
    name = unique("dry")
    before = len(editor.get("/api/jobs?limit=1000").json()["items"])
    for path in ("/api/datasets", f"/api/datasets/{dataset}/versions"):
        body = {"source": source} | ({"name": name} if path == "/api/datasets" else {})
        answer = editor.post(path, params={"dry_run": "true"}, json=body)
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert len(shown["rows"]) == 1_000
        assert {c["name"]: c["type"] for c in shown["columns"]}.items() >= {
            ("id", "integer"),
            ("name", "text"),
            ("price", "float"),
        }
        first = min(shown["rows"], key=lambda row: row["id"])
        assert (first["name"], first["price"]) == (f"n{first['id']}", first["id"] + 0.5)
        assert shown["source"]["connection"] == connection
    assert editor.get(f"/api/datasets/{name}").status_code == 404
    assert editor.get(f"/api/datasets/{dataset}").json()["version"] == 1
    assert len(editor.get("/api/jobs?limit=1000").json()["items"]) == before


def test_a_dry_run_of_what_cannot_be_read_says_why(reach: Reach, postgresql: Target):
    editor = reach.editor
    connection = put(editor, postgresql)
    for source, status, code in [
        ({"connection": connection, "table": "nowhere"}, 404, "source-not-found"),
        ({"connection": connection, "query": "DELETE FROM t"}, 422, "query"),
        ({"connection": connection}, 422, "source-invalid"),
        ({"connection": "nobody", "table": "t"}, 404, "connection-not-found"),
    ]:
        answer = editor.post(
            "/api/datasets?dry_run=true", json={"name": "dry", "source": source}
        )
        assert answer.status_code == status, answer.text
        assert code in answer.json()["type"]
