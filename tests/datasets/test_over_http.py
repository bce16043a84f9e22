"""Datasets as a user sees them: a served application with its worker."""

import csv
import io
import json
import re

import pyarrow as pa
import pytest

from tests.served import unique, upload

PEOPLE = "id,name,age,joined\n1,Ann,31,2024-01-05\n2,Björn,,2024-02-06\n3,Çem,40,\n"


@pytest.fixture(scope="module")
def people(callers):
    name = unique("people")
    answer = upload(callers.editor, name, PEOPLE)
    assert answer.status_code == 201, answer.text
    return name


def test_a_file_becomes_a_typed_dataset(callers, people):
    found = callers.editor.get(f"/api/datasets/{people}").json()
    assert (found["version"], found["current"], found["rows"]) == (1, 1, 3)
    assert {c["name"]: c["type"] for c in found["columns"]} == {
        "id": "integer",
        "name": "text",
        "age": "integer",
        "joined": "date",
    }
    assert found["source"]["filename"] == "table.csv"
    assert found["source"]["bytes"] == len(PEOPLE.encode())


def test_without_waiting_the_answer_is_the_job(callers):
    name = unique("later")
    answer = callers.editor.post(f"/api/datasets?name={name}", content=PEOPLE.encode())
    assert answer.status_code == 202
    job = answer.headers["location"]
    assert answer.json()["task"] == "datasets.import"
    done = callers.editor.get(f"{job}/events")
    assert "succeeded" in done.text
    assert callers.editor.get(job).json()["result"] == {"dataset": name, "version": 1}


def test_rows_are_selected_filtered_and_sorted(callers, people):
    answer = callers.editor.get(
        f"/api/datasets/{people}/rows",
        params={"select": "name,age", "where": "id >= 2", "sort": "-age"},
    )
    assert answer.json() == {
        "items": [{"name": "Çem", "age": 40}, {"name": "Björn", "age": None}],
        "next": None,
        "prev": None,
    }


def test_pages_chain_by_cursor_and_link(callers, people):
    url, seen = f"/api/datasets/{people}/rows?limit=2&sort=-id", []
    for _ in range(3):
        answer = callers.editor.get(url)
        seen += [row["id"] for row in answer.json()["items"]]
        if answer.json()["next"] is None:
            break
        assert 'rel="next"' in answer.headers["link"]
        url = f"/api/datasets/{people}/rows?limit=2&cursor={answer.json()['next']}"
    assert seen == [3, 2, 1]


@pytest.mark.parametrize(
    ("accept", "read"),
    [
        ("application/x-ndjson", lambda b: [json.loads(x) for x in b.splitlines()]),
        ("text/csv", lambda b: list(csv.DictReader(io.StringIO(b.decode())))),
        (
            "application/vnd.apache.arrow.stream",
            lambda b: pa.ipc.open_stream(b).read_all().to_pylist(),
        ),
    ],
)
def test_rows_come_in_the_format_of_accept(callers, people, accept, read):
    answer = callers.editor.get(
        f"/api/datasets/{people}/rows?select=name", headers={"Accept": accept}
    )
    assert answer.headers["content-type"].startswith(accept)
    assert read(answer.content) == [{"name": n} for n in ("Ann", "Björn", "Çem")]


def test_counts_and_profiles_take_a_condition(callers, people):
    base = f"/api/datasets/{people}"
    assert callers.editor.get(f"{base}/count").json() == {"count": 3, "exact": True}
    counted = callers.editor.get(f"{base}/count", params={"where": "age IS NULL"})
    assert counted.json()["count"] == 1
    profile = callers.editor.get(f"{base}/profile").json()
    ages = next(c for c in profile["columns"] if c["name"] == "age")
    assert (profile["rows"], ages["nulls"], ages["mean"]) == (3, 1, 35.5)


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet", "arrow"])
def test_downloads_are_files(callers, people, form):
    answer = callers.editor.get(f"/api/datasets/{people}/download?format={form}")
    assert answer.status_code == 200
    assert f"{people}-v1.{form}" in answer.headers["content-disposition"]
    assert len(answer.content) > 10


def test_bad_rows_are_kept_aside_with_their_line(callers):
    name = unique("bad")
    made = upload(callers.editor, name, "a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert (made.json()["rows"], made.json()["rejects"]) == (2, 2)
    found = callers.editor.get(f"/api/datasets/{name}/rejects").json()["items"]
    assert [(r["line"], r["code"], r["raw"]) for r in found] == [
        (3, "too_few_cells", "3"),
        (4, "too_many_cells", "4,5,6"),
    ]
    listed = callers.editor.get(f"/api/datasets/{name}/rejects/download")
    assert "4,5,6" in listed.text


def test_a_dry_run_stores_nothing(callers):
    name = unique("dry")
    answer = callers.editor.post(
        f"/api/datasets?name={name}&dry_run=true", content=PEOPLE.encode()
    )
    assert answer.status_code == 200
    assert [c["name"] for c in answer.json()["columns"]] == [
        "id",
        "name",
        "age",
        "joined",
    ]
    assert len(answer.json()["rows"]) == 3
    assert callers.editor.get(f"/api/datasets/{name}").status_code == 404


def test_versions_are_replaced_appended_and_chosen(callers):
    name = unique("versions")
    upload(callers.editor, name, "a\n1\n2\n")
    path = f"/api/datasets/{name}/versions"
    upload(callers.editor, name, "a\n3\n", path=path)
    upload(callers.editor, name, "a\n4\n5\n", path=path, mode="append")
    listed = callers.editor.get(path).json()["items"]
    assert [(v["version"], v["rows"]) for v in listed] == [(3, 3), (2, 1), (1, 2)]
    callers.editor.put(f"/api/datasets/{name}/current", json={"version": 1})
    rows = callers.editor.get(f"/api/datasets/{name}/rows").json()["items"]
    assert rows == [{"a": 1}, {"a": 2}]
    wrong = upload(callers.editor, name, "b\n1\n", path=path, mode="append")
    assert wrong.status_code == 422
    assert wrong.json()["type"].endswith("append-mismatch")


def test_a_name_is_taken_once_and_freed_by_a_failed_import(callers, people):
    assert upload(callers.editor, people, PEOPLE).status_code == 409
    assert upload(callers.other, people, PEOPLE).status_code == 409
    name = unique("freed")
    assert upload(
        callers.editor, name, b"\x89PNG\r\n\x1a\n" + b"x" * 100
    ).status_code in (
        415,
        422,
    )
    assert upload(callers.editor, name, PEOPLE).status_code == 201


def test_the_same_upload_under_one_key_makes_one_version(callers):
    name = unique("once")
    send = {
        "url": f"/api/datasets?name={name}",
        "content": PEOPLE.encode(),
        "headers": {"Idempotency-Key": name, "Prefer": "wait=50"},
    }
    first, again = callers.editor.post(**send), callers.editor.post(**send)
    assert (first.status_code, again.status_code) == (201, 201)
    versions = callers.editor.get(f"/api/datasets/{name}/versions").json()["items"]
    assert len(versions) == 1
    other = callers.editor.post(**{**send, "content": b"a\n1\n"})
    assert other.status_code == 422


def test_a_dataset_is_private_until_it_is_shared(callers, people):
    url = f"/api/datasets/{people}"
    for path in (
        "",
        "/rows",
        "/count",
        "/profile",
        "/rejects",
        "/download",
        "/versions",
    ):
        assert callers.other.get(url + path).status_code == 404, path
        assert callers.admin.get(url + path).status_code == 200, path
        assert callers.nobody.get(url + path).status_code == 401, path
    assert people not in callers.other.get("/api/datasets").text
    callers.editor.patch(url, json={"visibility": "everyone"})
    assert callers.viewer.get(url + "/rows").status_code == 200
    assert callers.other.patch(url, json={"description": "x"}).status_code == 403
    callers.editor.patch(url, json={"visibility": "private"})


def test_a_stale_etag_is_refused(callers, people):
    url = f"/api/datasets/{people}"
    etag = callers.editor.get(url).headers["etag"]
    changed = callers.editor.patch(
        url, json={"description": "one"}, headers={"If-Match": etag}
    )
    assert changed.status_code == 200
    stale = callers.editor.patch(
        url, json={"description": "two"}, headers={"If-Match": etag}
    )
    assert stale.status_code == 412


def test_a_deleted_dataset_and_its_cursors_are_gone(callers):
    name = unique("gone")
    upload(callers.editor, name, "a\n1\n2\n3\n")
    cursor = callers.editor.get(f"/api/datasets/{name}/rows?limit=1").json()["next"]
    assert callers.editor.delete(f"/api/datasets/{name}").status_code == 204
    assert callers.editor.get(f"/api/datasets/{name}").status_code == 404
    after = callers.editor.get(f"/api/datasets/{name}/rows?cursor={cursor}")
    assert after.status_code == 410


def test_sharing_and_deleting_stand_in_the_audit_log(callers):
    name = unique("audited")
    upload(callers.editor, name, "a\n1\n")
    url = f"/api/datasets/{name}"
    assert callers.editor.patch(url, json={"visibility": "everyone"}).is_success
    assert callers.editor.patch(url, json={"description": "x"}).is_success
    assert callers.editor.put(f"{url}/current", json={"version": 1}).is_success
    assert callers.editor.delete(url).status_code == 204
    found = callers.admin.get("/api/audit", params={"object_id": name}).json()["items"]
    actions = [entry["action"] for entry in found]
    assert actions == ["dataset.delete", "dataset.current", "dataset.share"]
    assert found[-1]["detail"] == {"visibility": "everyone"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("rows?limit=0", 422),
        ("rows?limit=10001", 422),
        ("rows?select=nope", 422),
        ("rows?sort=nope", 422),
        ("rows?where=age+%3E", 422),
        ("rows?where=nope+%3D+1", 422),
        ("rows?where=age", 422),
        ("rows?cursor=abc", 422),
        ("rows?after_row=1&sort=id", 422),
        ("rows?version=99", 404),
        ("count?where=1", 422),
        ("download?format=exe", 422),
        ("profile?version=0", 422),
        ("versions/77", 404),
        ("rejects?cursor=%00", 422),
    ],
)
def test_bad_parameters_are_clear_4xx(callers, people, path, status):
    answer = callers.editor.get(f"/api/datasets/{people}/{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("fields", "content", "status"),
    [
        ({"name": "Bad Name"}, PEOPLE, 422),
        ({"options": "{"}, PEOPLE, 422),
        ({"options": '{"delimitr": ";"}'}, PEOPLE, 422),
        ({"options": '{"types": {"age": "number"}}'}, PEOPLE, 422),
        ({"surprise": "x"}, PEOPLE, 422),
        ({}, "", 422),
    ],
)
def test_bad_uploads_are_clear_4xx_and_store_nothing(callers, fields, content, status):
    name = fields.get("name", unique("refused"))
    answer = callers.editor.post(
        "/api/datasets",
        files={"file": ("t.csv", content.encode())},
        data={"name": name, **fields},
        headers={"Prefer": "wait=50"},
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert name not in callers.editor.get("/api/datasets").text


def test_a_json_body_must_name_a_dataset_and_its_source(callers):
    assert callers.editor.post("/api/datasets", json={}).status_code == 422
    assert callers.viewer.post("/api/datasets", json={}).status_code == 403
    assert callers.nobody.post("/api/datasets", json={}).status_code == 401


def test_readers_are_named_by_e_mail(callers, people):
    url = f"/api/datasets/{people}"
    changed = callers.editor.patch(url, json={"readers": ["other@example.org"]})
    assert changed.json()["readers"] == [callers.other.get("/api/me").json()["id"]]
    assert callers.other.get(url).status_code == 200
    unknown = callers.editor.patch(url, json={"readers": ["nobody@example.org"]})
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["pointer"] == "/readers/0"
    callers.editor.patch(url, json={"readers": []})
    assert callers.other.get(url).status_code == 404


def test_the_events_of_an_import_say_how_far_it_is(callers):
    name = unique("watched")
    rows = "".join(f"{n},name {n},{n / 8}\n" for n in range(600_000))
    body = f"id,name,x\n{rows}1,one cell too few\n".encode()
    answer = callers.editor.post(f"/api/datasets?name={name}", content=body)
    job = answer.headers["location"]
    events = callers.editor.get(f"{job}/events").text
    told = [
        json.loads(found[1])["progress"]
        for event in events.split("\n\n")
        if "event: progress" in event and (found := re.search("data: (.*)", event))
    ]
    size = len(body)
    assert told
    assert all(0 <= p["done"] <= p["total"] == size for p in told)
    last = callers.editor.get(job).json()["progress"]
    assert (last["done"], last["total"], last["unit"]) == (size, size, "bytes")
    said = r"reading, 600,000 rows \([\d,]+/s\), 1 rejects, 3 columns"
    assert re.fullmatch(said, last["message"])
