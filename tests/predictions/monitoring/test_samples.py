"""Rows read back from bodies, whole and cut off."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.predictions.monitoring.samples import (
    HEAD_BYTES,
    MAX_ROWS,
    predictions_in,
    rows_in,
)

NAMES = ("a", "b")
ROW = {"a": 1, "b": 'x"],}{'}


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [ROW, ROW]},
        {"model": "m", "rows": [ROW, ROW]},
        {"columns": ["b", "a"], "data": [[ROW["b"], 1], [ROW["b"], 1]]},
        {"data": [[ROW["b"], 1], [ROW["b"], 1]], "columns": ["b", "a"]},
    ],
)
def test_each_form_of_a_body_gives_its_rows(body: dict[str, Any]) -> None:
    assert rows_in(orjson.dumps(body), NAMES) == [ROW, ROW]


def test_a_row_by_position_has_the_names_of_the_model() -> None:
    assert rows_in(b'{"features": [1, "x"]}', NAMES) == [{"a": 1, "b": "x"}]


def test_no_rows_are_no_rows() -> None:
    for body in (b'{"rows": []}', b'{"columns": ["a", "b"], "data": []}'):
        assert rows_in(body, NAMES) == []
    assert predictions_in(b'{"model":"m","version":1,"predictions":[]}') == []


def test_of_many_rows_some_are_taken_from_everywhere() -> None:
    body = orjson.dumps({"columns": ["a"], "data": [[n] for n in range(1000)]})
    found = [row["a"] for row in rows_in(body, ("a",))]
    assert len(found) == MAX_ROWS
    assert found[0] == 0
    assert found[-1] >= 990


@pytest.mark.parametrize("spaces", ["", " ", "\n  "])
@pytest.mark.parametrize("form", ["rows", "data"])
def test_the_head_of_a_long_body_gives_its_first_rows(form: str, spaces: str) -> None:
    rows = [{"a": n, "b": "é" * 40} for n in range(3000)]
    body: Any = {"model": "m", "rows": rows}
    if form == "data":
        body = {"columns": ["a", "b"], "data": [[r["a"], r["b"]] for r in rows]}
    text = json.dumps(body, ensure_ascii=False, indent=len(spaces) or None).encode()
    assert len(text) > HEAD_BYTES
    assert rows_in(text[:HEAD_BYTES], NAMES) == rows[:MAX_ROWS]


def test_a_head_without_its_columns_gives_nothing() -> None:
    body = {"data": [["x" * 100, 1]] * 2000, "columns": ["b", "a"]}
    assert rows_in(orjson.dumps(body)[:HEAD_BYTES], NAMES) == []


def test_the_head_of_a_long_answer_gives_its_first_predictions() -> None:
    answer = {
        "model": "m",
        "version": 1,
        "predictions": [{"prediction": n, "more": "y" * 50} for n in range(3000)],
    }
    found = predictions_in(orjson.dumps(answer)[:HEAD_BYTES])
    assert found == list(range(MAX_ROWS))


@given(st.integers(HEAD_BYTES, 3 * HEAD_BYTES), st.booleans())
def test_a_cut_anywhere_gives_whole_rows_only(cut: int, is_list: bool) -> None:
    rows = [{"a": [n, {"deep": "}]"}], "b": "\\" * (n % 7)} for n in range(8000)]
    body: Any = {"rows": rows}
    if is_list:
        body = {"columns": ["a", "b"], "data": [[r["a"], r["b"]] for r in rows]}
    found = rows_in(orjson.dumps(body)[:cut], NAMES)
    assert found == rows[: len(found)]
    assert found
