"""Rows that follow a version: what widens, what narrows, what is refused by name."""

import threading
from typing import Any

import httpx2
import pytest

from tests.served import unique, upload

LONG = "123456789012345678901234567890"

# Cell before, cell that follows; the type of the column then, and both cells.
FITTING: list[tuple[str, str, str, list[Any]]] = [
    ("1", "1.5", "float", [1.0, 1.5]),
    ("1.5", "1", "float", [1.5, 1.0]),
    ("1", LONG, "decimal", ["1", LONG]),
    (LONG, "1", "decimal", [LONG, "1"]),
    (
        "2024-01-02",
        "2024-01-02T10:00:00",
        "timestamp",
        ["2024-01-02T00:00:00", "2024-01-02T10:00:00"],
    ),
    (
        "2024-01-02T10:00:00",
        "2024-01-02",
        "timestamp",
        ["2024-01-02T10:00:00", "2024-01-02T00:00:00"],
    ),
    ("x", "0042", "text", ["x", "0042"]),
    ("x", "1.50", "text", ["x", "1.50"]),
    ("x", "2024-01-02", "text", ["x", "2024-01-02"]),
    ("x", "true", "text", ["x", "true"]),
    ("1", "", "integer", [1, None]),
    ("true", "", "boolean", [True, None]),
    ("2024-01-02", "", "date", ["2024-01-02", None]),
]
REFUSED = [
    ("1", "x", "is text, the dataset has integer"),
    ("1.5", "x", "is text, the dataset has float"),
    ("true", "7", "is integer, the dataset has boolean"),
    ("2024-01-02", "7", "is integer, the dataset has date"),
    ("2024-01-02", "x", "is text, the dataset has date"),
    ("9007199254740993", "1.5", "holds integers that a float would round"),
    (
        "2024-01-02T10:00:00",
        "2024-01-02T10:00:00Z",
        "has timestamps of the other kind, with a zone or without",
    ),
    (LONG, "1.5", "is float, the dataset has decimal"),
]


def append(
    client: httpx2.Client, name: str, content: str, **options: Any
) -> httpx2.Response:
    return upload(
        client,
        name,
        content,
        path=f"/api/datasets/{name}/versions",
        mode="append",
        options=options,
    )


def table(cell: str) -> str:
    """A column of one cell, beside one that is always the same."""
    return f"k,a\n7,{cell}\n"


def cells(client: httpx2.Client, name: str, version: int | None = None) -> list[Any]:
    asked = {} if version is None else {"version": version}
    answer = client.get(f"/api/datasets/{name}/rows", params=asked)
    assert answer.status_code == 200, answer.text
    return [row["a"] for row in answer.json()["items"]]


@pytest.mark.parametrize(("before", "after", "kind", "found"), FITTING)
def test_one_type_holds_the_cells_of_both(callers, before, after, kind, found):
    editor, name = callers.editor, unique("fits")
    first = upload(editor, name, table(before)).json()
    made = append(editor, name, table(after))
    assert made.status_code == 201, made.text
    assert made.json()["columns"][1]["type"] == kind
    assert cells(editor, name) == found
    assert editor.get(f"/api/datasets/{name}/profile").status_code == 200
    # The version before is as it was.
    shown = editor.get(f"/api/datasets/{name}/versions/1").json()
    assert shown["columns"] == first["columns"]
    assert len(cells(editor, name, 1)) == 1


@pytest.mark.parametrize(("before", "after", "said"), REFUSED)
def test_what_would_break_the_column_is_refused_by_its_name(
    callers, before, after, said
):
    editor, name = callers.editor, unique("breaks")
    assert upload(editor, name, table(before)).status_code == 201
    made = append(editor, name, table(after))
    assert made.status_code == 422, made.text
    assert made.json()["type"].endswith("append-mismatch")
    found = [(e["pointer"], e["message"]) for e in made.json()["errors"]]
    assert found == [("/columns/a", said)]
    assert editor.get(f"/api/datasets/{name}").json()["version"] == 1


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("1", "1"),
        ("1.5", "1.5"),
        ("true", "true"),
        (LONG, LONG),
        ("2024-01-02", "2024-01-02"),
        ("10:30:00", "10:30:00"),
    ],
)
def test_a_stored_column_becomes_text_where_the_caller_says_so(callers, before, shown):
    editor, name = callers.editor, unique("text")
    assert upload(editor, name, table(before)).status_code == 201
    made = append(editor, name, table("x"), types={"a": "text"})
    assert made.status_code == 201, made.text
    assert cells(editor, name) == [shown, "x"]


@pytest.mark.parametrize(("before", "after"), [("1.25", "1.2345"), ("1.2345", "1.25")])
def test_decimals_keep_all_their_digits(callers, before, after):
    editor, name = callers.editor, unique("digits")
    forced = {"a": "decimal"}
    assert (
        upload(editor, name, table(before), options={"types": forced}).status_code
        == 201
    )
    assert append(editor, name, table(after), types=forced).status_code == 201
    assert [float(cell) for cell in cells(editor, name)] == [
        float(before),
        float(after),
    ]
    assert editor.get(f"/api/datasets/{name}/profile").status_code == 200


def test_the_log_and_the_lineage_say_what_was_widened(callers):
    editor, name = callers.editor, unique("said")
    assert upload(editor, name, table("1")).status_code == 201
    answer = upload(
        editor,
        name,
        table("2.5"),
        path=f"/api/datasets/{name}/versions",
        mode="append",
        wait=0,
    )
    job = answer.headers["location"]
    done = editor.get(job, headers={"Prefer": "wait=30"})
    while done.json()["state"] in ("queued", "running"):
        done = editor.get(job)
    assert "widened columns of the dataset: a to float" in editor.get(f"{job}/log").text


def test_every_row_of_a_large_version_is_widened(callers):
    editor, name = callers.editor, unique("large")
    count = 120_000
    lines = "k,a\n" + "".join(f"{n % 10},{n}\n" for n in range(count))
    assert upload(editor, name, lines).status_code == 201
    assert append(editor, name, table("0.5")).status_code == 201
    found = editor.get(
        f"/api/datasets/{name}/aggregate", params={"measures": "count,sum(a)"}
    ).json()["items"]
    assert found == [{"count": count + 1, "sum(a)": count * (count - 1) / 2 + 0.5}]


def test_rows_appended_at_once_are_all_there(callers):
    editor, name = callers.editor, unique("at-once")
    assert upload(editor, name, table("1")).status_code == 201
    answers: list[httpx2.Response] = []

    def one(number: int) -> None:
        with callers.server.client(editor.headers["Authorization"][7:]) as client:
            answers.append(append(client, name, table(str(number))))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [201] * 4
    assert sorted(cells(editor, name)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("more", "kind"), [("2.5", "float"), ("2", "integer")])
def test_the_profile_kept_with_the_first_file_is_not_told_of_more_rows(
    callers, more, kind
):
    name, whole = unique("profiled"), unique("whole")
    first = "n,s\n" + "\n".join(f"{n},{n % 3}x" for n in range(500)) + "\n"
    upload(callers.editor, name, first)
    before = callers.editor.get(f"/api/datasets/{name}/profile").json()
    assert append(callers.editor, name, f"n,s\n{more},9x\n").status_code == 201
    upload(callers.editor, whole, f"{first}{more},9x\n")

    profile = callers.editor.get(f"/api/datasets/{name}/profile").json()
    assert profile["rows"] == 501
    assert profile["columns"][0]["type"] == kind
    expected = callers.editor.get(f"/api/datasets/{whole}/profile").json()
    for found, wanted in zip(profile["columns"], expected["columns"], strict=True):
        for figure in ("mean", "std"):  # summed in another order
            assert found.pop(figure, None) == pytest.approx(wanted.pop(figure, None))
        assert found == wanted
    again = callers.editor.get(f"/api/datasets/{name}/profile?version=1").json()
    assert again["columns"] == before["columns"]
