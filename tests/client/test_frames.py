"""Frames of three libraries, to and from the API's forms."""

import csv
import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from foretell.client.errors import FrameUnreadable, LibraryMissing
from foretell.client.frames import (
    content_of,
    library,
    rows_of,
    with_predictions,
)

COLUMNS: dict[str, list[Any]] = {
    "zip": ["007", None, 'a "quoted", one'],
    "n": [1, 2, 2**60],
    "x": [1.5, None, -2.0],
    "ok": [True, False, None],
    "day": [dt.date(2024, 2, 29), None, dt.date(1999, 12, 31)],
}
FRAMES = {
    "arrow": lambda: pa.table(COLUMNS),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "pandas": lambda: pa.table(COLUMNS).to_pandas(),
}
PREDICTIONS: Any = [
    {"prediction": "a", "probabilities": {"a": 0.75, "b": 0.25}},
    {"prediction": "b", "probabilities": {"a": 0.5, "b": 0.5}},
    {"prediction": "a", "probabilities": {"a": 1.0, "b": 0.0}},
]


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_travels_as_csv_with_its_types(kind: str) -> None:
    content, options = content_of(FRAMES[kind](), "t")
    assert content.filename == "t.csv"
    assert options["types"]["zip"] == "text"
    assert options["types"]["x"] == "float"
    assert isinstance(content.source, bytes)
    rows = list(csv.reader(content.source.decode().splitlines()))
    assert [row[0] for row in rows] == ["zip", "007", "", 'a "quoted", one']
    assert rows[1] == ["007", "1", "1.5", "true", "2024-02-29"]


@pytest.mark.parametrize("kind", FRAMES)
def test_rows_of_a_frame_are_json_with_null_for_missing(kind: str) -> None:
    columns, rows = rows_of(FRAMES[kind]())
    assert columns == list(COLUMNS)
    assert rows[0][:3] == ["007", 1, 1.5]
    assert rows[1][2] is None
    assert rows[0][4] == "2024-02-29"
    assert rows[2][1] == 2**60


@pytest.mark.parametrize("kind", FRAMES)
def test_predictions_come_back_in_a_frame_of_the_same_library(kind: str) -> None:
    frame = FRAMES[kind]()
    found = with_predictions(frame, PREDICTIONS)
    assert type(found) is type(frame)
    table = pa.table(found)
    assert table.column("prediction").to_pylist() == ["a", "b", "a"]
    assert table.column("probability_b").to_pylist() == [0.25, 0.5, 0.0]
    assert table.column("n").to_pylist() == COLUMNS["n"]


def test_the_index_of_a_pandas_frame_is_kept() -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=["r", "s", "t"])
    assert list(with_predictions(frame, PREDICTIONS).index) == ["r", "s", "t"]


def test_a_taken_name_gets_a_number() -> None:
    frame = pl.DataFrame({"prediction": [1, 2, 3]})
    found = with_predictions(frame, PREDICTIONS)
    assert found.columns[:2] == ["prediction", "prediction_2"]


def test_decimals_stay_exact() -> None:
    table = pa.table({"d": pa.array([Decimal("0.10")])})
    assert rows_of(table) == (["d"], [["0.10"]])


def test_what_csv_cannot_hold_is_named() -> None:
    with pytest.raises(FrameUnreadable, match="'tags'"):
        content_of(pa.table({"tags": [["a"], ["b"]]}), None)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(FrameUnreadable, match="dict is no table"):
        content_of({"a": 1}, None)


def test_a_missing_library_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(LibraryMissing, match="pip install no_such_library"):
        library("no_such_library.part")
