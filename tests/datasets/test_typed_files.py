"""Workbooks and Parquet files as a user sends them: to a served application."""

import io
import time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.served import unique, upload
from tests.tabular.workbook_bytes import raw_workbook, sheet_of, workbook

ROWS: list[list[Any]] = [["id", "name"], [1, "Ann"], [2, "007"], [3, None]]
ITEMS = [
    {"id": 1, "name": "Ann"},
    {"id": 2, "name": "007"},
    {"id": 3, "name": None},
]


def parquet(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def items(client, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/datasets/{name}/rows").json()[
        "items"
    ]
    return found


def test_one_table_is_the_same_dataset_in_every_format(callers):
    names = {
        "csv": b"id,name\n1,Ann\n2,007\n3,\n",
        "xlsx": sheet_of(ROWS),
        "parquet": parquet({"id": [1, 2, 3], "name": ["Ann", "007", None]}),
    }
    seen = []
    for form, content in names.items():
        name = unique(form)
        # The name of a file is never believed.
        made = upload(callers.editor, name, content, filename="table.txt")
        assert made.status_code == 201, made.text
        body = made.json()
        assert (body["source"]["format"], body["source"]["bytes"]) == (
            form,
            len(content),
        )
        assert len(body["source"]["sha256"]) == 64
        profile = callers.editor.get(f"/api/datasets/{name}/profile").json()
        seen.append((body["columns"], items(callers.editor, name), profile["columns"]))
    assert seen[0][1] == ITEMS
    assert seen[0] == seen[1] == seen[2]


def test_formats_follow_one_another_in_a_dataset(callers):
    name = unique("mixed")
    path = f"/api/datasets/{name}/versions"
    upload(callers.editor, name, "id,x\n1,1.5\n")
    sheet = sheet_of([["id", "x"], [2, 2.5]])
    assert (
        upload(callers.editor, "", sheet, path=path, mode="append").status_code == 201
    )
    small = {"id": pa.array([3], pa.int8()), "x": pa.array([3.5], pa.float32())}
    made = upload(callers.editor, "", parquet(small), path=path, mode="append")
    assert made.json()["version"] == 3
    assert items(callers.editor, name) == [{"id": n, "x": n + 0.5} for n in (1, 2, 3)]
    replaced = upload(callers.editor, "", sheet_of([["y"], [True]]), path=path)
    assert (replaced.json()["version"], items(callers.editor, name)) == (
        4,
        [{"y": True}],
    )
    wrong = upload(callers.editor, "", sheet_of(ROWS), path=path, mode="append")
    assert (wrong.status_code, "'y'" in wrong.text or "/columns/y" in wrong.text) == (
        422,
        True,
    )


def test_a_sheet_is_chosen_and_what_does_not_fit_has_the_row_of_the_sheet(callers):
    name = unique("sheet")
    data = workbook(
        ("Notes", [["see the other"]]), ("Data", [["Title"], *ROWS[:3], ["x", "y"]])
    )
    options = {"sheet": "Data", "header": 2, "types": {"id": "integer"}}
    made = upload(callers.editor, name, data, options=options)
    body = made.json()
    assert (body["rows"], body["rejects"]) == (2, 1)
    assert (body["source"]["sheet"], body["source"]["sheets"]) == (
        "Data",
        ["Notes", "Data"],
    )
    (reject,) = callers.editor.get(f"/api/datasets/{name}/rejects").json()["items"]
    assert (reject["line"], reject["column"], reject["raw"]) == (5, "id", "x,y")


@pytest.mark.parametrize(
    "content",
    [sheet_of([["n"], *([n] for n in range(1500))]), parquet({"n": list(range(1500))})],
    ids=["xlsx", "parquet"],
)
def test_a_dry_run_shows_the_first_rows_and_stores_nothing(callers, content):
    name = unique("dry")
    answer = callers.editor.post(
        f"/api/datasets?name={name}&dry_run=true", content=content
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"columns", "rows", "rejects", "source", "options"}
    assert (len(body["rows"]), body["rows"][999]) == (1000, {"n": 999})
    assert callers.editor.get(f"/api/datasets/{name}").status_code == 404


@pytest.mark.parametrize(
    ("content", "options", "status", "word"),
    [
        (sheet_of(ROWS), {"sheet": "Nope"}, 422, "'Sheet1'"),
        (sheet_of(ROWS), {"format": "csv"}, 415, "workbook"),
        (sheet_of(ROWS)[:900], {}, 422, "XLSX"),
        (b"PAR1" + b"x" * 100, {}, 422, "Parquet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, {}, 415, "XLSX"),
        (parquet({"d": pa.array([None], pa.decimal256(60, 1))}), {}, 422, "'d'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    callers, content, options, status, word
):
    name = unique("bad")
    answer = upload(callers.editor, name, content, options=options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.json()["detail"]
    assert callers.editor.get(f"/api/datasets/{name}").status_code == 404


@pytest.mark.parametrize("sheet", [-1, 1.5, True, [], "x" * 300])
def test_a_sheet_is_a_name_or_a_place(callers, sheet):
    answer = upload(
        callers.editor, unique("bad"), sheet_of(ROWS), options={"sheet": sheet}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/options/sheet")


def test_l_a_bomb_is_a_failed_job_with_the_reason_and_the_server_goes_on(callers):
    far = [
        b'<row r="1"><c r="A1"><v>1</v></c></row>',
        b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
    ]
    large = [b'<row r="1"><c r="A1" t="inlineStr"><is><t>', *[b"0" * (1 << 20)] * 200]
    for content in (raw_workbook(far), raw_workbook([*large, b"</t></is></c></row>"])):
        started = time.monotonic()
        answer = upload(callers.editor, unique("bomb"), content)
        assert answer.status_code == 413, answer.text
        assert time.monotonic() - started < 15
        assert callers.nobody.get("/healthz").status_code == 200


def test_narrower_columns_are_widened_and_others_refused_by_name(callers):
    name = unique("wide")
    path = f"/api/datasets/{name}/versions"
    upload(callers.editor, name, "id,x,at,s\n1,1.5,2024-01-02T03:04:05,a\n")
    more = "id,x,at,s\n2,3,2024-01-03,4\n"
    made = upload(callers.editor, "", more, path=path, mode="append")
    assert (made.status_code, made.json()["rows"]) == (201, 2), made.text
    last = items(callers.editor, name)[-1]
    assert last == {"id": 2, "x": 3.0, "at": "2024-01-03T00:00:00", "s": "4"}
    other = "id,x,at,s\nthird,1,2024-01-03,b\n"
    refused = upload(callers.editor, "", other, path=path, mode="append")
    assert refused.status_code == 422
    assert [e["pointer"] for e in refused.json()["errors"]] == ["/columns/id"]
