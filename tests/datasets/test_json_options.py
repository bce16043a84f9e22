"""Every import option for JSON and NDJSON, and dry runs of them."""

import gzip
import json
from typing import Any

import pytest

from tests.datasets.test_append_types import append
from tests.served import unique, upload

RECORDS: list[dict[str, Any]] = [
    {"Id": "0042", "price": "1,5", "day": "31.12.2025", "note": "none", "n": 1},
    {"Id": "0043", "price": "2,25", "day": "01.01.2026", "note": "x", "n": 2},
]
LINES = "\n".join(map(json.dumps, RECORDS))
FILES = {
    "array": json.dumps(RECORDS, indent=1),
    "lines": LINES,
    "one after the other": "\n".join(json.dumps(r, indent=1) for r in RECORDS),
}
OPTIONS = {
    "types": {"price": "decimal", "n": "float"},
    "decimal": ",",
    "date_format": {"day": "%d.%m.%Y"},
    "nulls": ["none"],
    "required": ["id", "note"],
}
WANTED = [
    {"id": "0042", "price": "1.50", "day": "2025-12-31", "note": None, "n": 1.0},
    {"id": "0043", "price": "2.25", "day": "2026-01-01", "note": "x", "n": 2.0},
]
TYPES = {
    "id": "text",
    "price": "decimal",
    "day": "date",
    "note": "text",
    "n": "float",
}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("dry", [False, True])
def test_options_that_speak_of_cells_hold_for_json(callers, form, dry):
    editor, name = callers.editor, unique("json")
    path = "/api/datasets"
    if dry:
        answer = editor.post(
            f"{path}?dry_run=true",
            files={"file": ("a.json", FILES[form])},
            data={"options": json.dumps(OPTIONS)},
        )
        assert answer.status_code == 200, answer.text
        found = answer.json()["rows"]
        assert editor.get(f"{path}/{name}").status_code == 404
    else:
        answer = upload(editor, name, FILES[form], options=OPTIONS)
        assert answer.status_code == 201, answer.text
        found = editor.get(f"{path}/{name}/rows").json()["items"]
    assert {c["name"]: c["type"] for c in answer.json()["columns"]} == TYPES
    assert found == WANTED


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({"format": "json"}, 201, ""),
        ({"format": "ndjson"}, 201, ""),
        ({"format": "parquet"}, 415, "other-format"),
        ({"required": ["email"]}, 422, "columns-missing"),
        ({"types": {"Id": "integer"}}, 201, ""),
        ({"types": {"gone": "integer"}}, 422, "import-option"),
        ({"date_format": {"gone": "%Y"}}, 422, "import-option"),
        # They speak of delimited text or of workbooks, and mean nothing here.
        ({"delimiter": ";", "quote": "'", "header": False, "sheet": 0}, 201, ""),
    ],
)
def test_other_options_are_followed_or_refused(callers, options, status, said):
    answer = upload(callers.editor, unique("json"), LINES, options=options)
    assert answer.status_code == status, answer.text
    assert said in answer.json().get("type", "")


def test_lines_at_the_top_are_skipped(callers):
    name = unique("skipped")
    text = "made by a machine\n\n" + LINES + "\n[]\n"
    made = upload(callers.editor, name, text, options={"skip": 2, "format": "ndjson"})
    assert made.status_code == 201, made.text
    assert (made.json()["rows"], made.json()["rejects"]) == (2, 1)
    found = callers.editor.get(f"/api/datasets/{name}/rejects").json()["items"]
    assert [reject["line"] for reject in found] == [5]
    text = "made by a machine\n[" + json.dumps(RECORDS[0]) + ",\n{]"
    bad = upload(
        callers.editor, name + "-2", text, options={"skip": 1, "format": "json"}
    )
    assert (bad.status_code, "line 3" in bad.json()["detail"]) == (422, True)


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "latin-1"])
def test_an_encoding_is_found_or_named(callers, encoding):
    name, text = unique("encoded"), '{"a": "é"}\n{"a": "ü"}\n'
    options = {} if encoding == "utf-16" else {"encoding": encoding}
    made = upload(callers.editor, name, text.encode(encoding), options=options)
    assert made.status_code == 201, made.text
    found = callers.editor.get(f"/api/datasets/{name}/rows").json()["items"]
    assert found == [{"a": "é"}, {"a": "ü"}]


def test_a_packed_member_is_chosen(callers):
    from tests.tabular.test_formats import archive

    data = archive(**{"x/a.ndjson": LINES.encode(), "b.ndjson": b'{"z":1}\n'})
    made = upload(callers.editor, unique("m"), data, options={"member": "a.ndjson"})
    assert (made.status_code, made.json()["rows"]) == (201, 2)
    packed = upload(callers.editor, unique("gz"), gzip.compress(LINES.encode()))
    assert packed.json()["source"]["compression"] == "gzip"


def test_json_follows_json(callers):
    name = unique("follows")
    assert upload(callers.editor, name, LINES, options=OPTIONS).status_code == 201
    made = append(callers.editor, name, LINES, **OPTIONS)
    assert (made.status_code, made.json()["rows"]) == (201, 4)
    refused = append(callers.editor, name, '{"id": "1", "price": 2}')
    assert refused.status_code == 422
    assert {e["pointer"] for e in refused.json()["errors"]} >= {"/columns/day"}
