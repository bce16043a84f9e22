"""Pages of rows: seeking, times, cursors that outlive versions, workbooks."""

import io

import openpyxl
import pytest

from tests.served import unique, upload

ROWS = 100


@pytest.fixture(scope="module")
def numbers(callers):
    name = unique("numbers")
    lines = "".join(f"{n},{ROWS - n},={n}\n" for n in range(ROWS))
    assert upload(callers.editor, name, "n,m,t\n" + lines).status_code == 201
    return name


def rows(client, name, **params):
    return client.get(f"/api/datasets/{name}/rows", params=params)


@pytest.mark.parametrize(
    ("params", "first"),
    [
        ({"seek": 0}, 0),
        ({"seek": 0.5}, 50),
        ({"seek": 1}, 90),
        ({"seek": 0.5, "sort": "n"}, 50),
        ({"seek": 0.25, "sort": "-n"}, 74),
        ({"seek": 1, "sort": "m"}, 9),
        ({"seek": 0.5, "sort": "n", "where": "n >= 80"}, 90),
        ({"seek": 0.5, "where": "n >= 80"}, 90),
        ({"after_row": 42}, 42),
    ],
)
def test_a_page_may_start_anywhere(callers, numbers, params, first):
    answer = rows(callers.editor, numbers, limit=10, **params)
    assert answer.json()["items"][0]["n"] == first
    previous = answer.json()["prev"]
    if first and not params.get("where"):
        before = rows(callers.editor, numbers, limit=1, cursor=previous).json()["items"]
        assert abs(before[0]["n"] - first) == 1
    assert "read;dur=" in answer.headers["server-timing"]


@pytest.mark.parametrize(
    "params",
    [
        {"seek": 1.5},
        {"seek": -0.1},
        {"seek": "half"},
        {"seek": 0.5, "after_row": 3},
        {"after_row": 3, "sort": "n"},
        {"after_row": 3, "where": "n > 1"},
    ],
)
def test_a_start_that_cannot_be_is_refused(callers, numbers, params):
    assert rows(callers.editor, numbers, **params).status_code == 422


def test_a_cursor_takes_no_other_start(callers, numbers):
    cursor = rows(callers.editor, numbers, limit=1).json()["next"]
    for name in ("seek", "after_row"):
        answer = rows(callers.editor, numbers, cursor=cursor, **{name: 0})
        assert answer.json()["errors"][0]["pointer"] == f"/query/{name}"


def test_a_link_keeps_what_a_cursor_does_not_carry(callers, numbers):
    link = rows(callers.editor, numbers, limit=2, max_cell=1).headers["link"]
    assert "limit=2" in link
    assert "max_cell=1" in link


def test_a_cursor_stays_with_its_version(callers):
    name = unique("moving")
    path = f"/api/datasets/{name}/versions"
    upload(callers.editor, name, "a\n1\n2\n3\n")
    cursor = rows(callers.editor, name, limit=1, sort="-a").json()["next"]
    upload(callers.editor, name, "a\n7\n8\n9\n", path=path)
    assert rows(callers.editor, name, cursor=cursor).json()["items"] == [
        {"a": 2},
        {"a": 1},
    ]
    callers.editor.delete(f"/api/datasets/{name}")
    assert rows(callers.editor, name, cursor=cursor).status_code == 410


def test_a_workbook_holds_the_rows_and_no_formula(callers, numbers):
    answer = callers.editor.get(
        f"/api/datasets/{numbers}/download",
        params={"format": "xlsx", "select": "t,n", "where": "n < 3"},
    )
    assert f"{numbers}-v1.xlsx" in answer.headers["content-disposition"]
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert list(sheet.values) == [("t", "n"), ("=0", 0), ("=1", 1), ("=2", 2)]
    assert {cell.data_type for cell in sheet["A"]} <= {"s", "inlineStr"}
    assert sheet["A2"].quotePrefix
