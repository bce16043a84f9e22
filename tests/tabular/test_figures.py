# ruff: noqa: DTZ001
"""Groups, correlations, differences and workbooks, compared with plain means."""

import collections
import datetime as dt
import io
import math
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.tabular.aggregates import Figure, aggregate
from foretell.tabular.correlations import correlations
from foretell.tabular.differences import Versions, diff
from foretell.tabular.orders import SortKey
from foretell.tabular.spreadsheets import workbook
from foretell.tabular.stored import StoredPart

SCHEMA = {"g": pl.String(), "x": pl.Int64(), "f": pl.Float64()}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "g": st.none() | st.sampled_from(["a", "b", "ß"]),
            "x": st.none() | st.integers(-3, 3) | st.just(2**62),
            "f": st.none() | st.sampled_from([math.nan, -1.5, 0.0, 2.0, 8.0]),
        }
    ),
    max_size=12,
)
PLAIN = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def stored(folder, rows, schema=None):
    frame = pl.DataFrame(rows, schema=schema or SCHEMA)
    path = Path(tempfile.mkdtemp(dir=folder)) / "part.parquet"
    frame.write_parquet(path, row_group_size=4)
    return [StoredPart(str(path), frame.height)]


@given(rows=ROWS)
@PLAIN
def test_figures_of_groups_are_those_of_their_rows(tmp_path, rows):
    found = aggregate(
        stored(tmp_path, rows),
        {"g": pl.col("g")},
        [
            Figure("n", "count"),
            Figure("sum", "sum", pl.col("x")),
            Figure("top", "max", pl.col("f")),
            Figure("kinds", "distinct", pl.col("x")),
        ],
        sort=[SortKey("n", descending=True)],
    )
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["g"]].append(row)
    expected = []
    for name, members in groups.items():
        xs = [row["x"] for row in members if row["x"] is not None]
        fs = [row["f"] for row in members if row["f"] is not None]
        known = [value for value in fs if not math.isnan(value)]
        expected.append(
            {
                "g": name,
                "n": len(members),
                "sum": sum(xs) if xs else None,
                "top": max(known, default=None),
                "kinds": len(set(xs)),
            }
        )
    expected.sort(key=lambda row: (-row["n"], row["g"] is None, row["g"] or ""))
    assert found.to_dicts() == expected


@given(old=ROWS, new=ROWS)
@PLAIN
def test_rows_of_two_versions_are_told_apart_as_bags(tmp_path, old, new):
    versions = Versions(stored(tmp_path, old), stored(tmp_path, new), list(SCHEMA))
    found = diff(versions, key=[], limit=100)
    bags = [
        collections.Counter(str([row[name] for name in SCHEMA]) for row in rows)
        for rows in (old, new)
    ]
    assert found["rows"] == {
        "added": (bags[1] - bags[0]).total(),
        "removed": (bags[0] - bags[1]).total(),
        "changed": 0,
        "unchanged": (bags[0] & bags[1]).total(),
    }


def test_shared_parts_are_not_read_again(tmp_path):
    old = stored(tmp_path, [{"g": "a", "x": 1, "f": 1.0}])
    new = [*old, *stored(tmp_path, [{"g": "b", "x": 2, "f": None}])]
    found = diff(Versions(old, new, list(SCHEMA)), key=[], limit=5)
    assert found["rows"] == {"added": 1, "removed": 0, "changed": 0, "unchanged": 1}
    assert found["added"] == [{"g": "b", "x": 2, "f": None}]


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_correlations_are_those_of_complete_pairs(tmp_path, offset):
    random = np.random.default_rng(7)
    a = random.normal(size=500) + offset
    frame = {"a": a, "b": a * 2 + random.normal(size=500), "c": random.normal(size=500)}
    frame["b"][::7] = np.nan
    frame["d"] = np.full(500, offset)
    parts = stored(tmp_path, frame, dict.fromkeys(frame, pl.Float64()))
    found = correlations(parts, list(frame))["values"]
    known = ~np.isnan(frame["b"])
    expected = np.corrcoef(frame["a"][known], frame["b"][known])[0, 1]
    assert found[0][1] == pytest.approx(expected, abs=1e-6)
    assert found[1][0] == found[0][1]
    assert found[0][2] == pytest.approx(
        np.corrcoef(frame["a"], frame["c"])[0, 1], abs=1e-6
    )
    assert found[3] == [None] * 4


def test_a_workbook_keeps_what_a_workbook_can_keep():
    frame = pl.DataFrame(
        {
            "n": [1, None, 10**17],
            "f": [1.5, math.nan, -1e-7],
            "b": [True, None, False],
            "t": ["=1+1", "a<b>&'\"", "  sp\nace "],
            "d": [dt.date(2024, 1, 5), dt.date(1850, 1, 1), None],
            "s": [dt.datetime(2024, 1, 5, 10, 0, 0, 500_000), None, None],
            "m": pl.Series([Decimal("1.50"), None, Decimal("12345678901234567.89")]),
            "l": [[1, 2], None, []],
        }
    )
    book = openpyxl.load_workbook(
        io.BytesIO(b"".join(workbook(iter([frame, frame]), max_rows=4)))
    )
    assert book.sheetnames == ["rows", "rows 2"]
    rows = [row for sheet in book for row in list(sheet.values)[1:]]
    assert rows[:3] == rows[3:]
    date, moment = dt.datetime(2024, 1, 5), dt.datetime(2024, 1, 5, 10, 0, 0, 500_000)
    assert rows[:3] == [
        (1, 1.5, True, "=1+1", date, moment, 1.5, "[1,2]"),
        (None, None, None, "a<b>&'\"", "1850-01-01", None, None, None),
        (
            str(10**17),
            -1e-7,
            False,
            "  sp\nace ",
            None,
            None,
            "12345678901234567.89",
            "[]",
        ),
    ]


def test_a_workbook_of_no_rows_has_its_header():
    book = openpyxl.load_workbook(
        io.BytesIO(b"".join(workbook(iter([pl.DataFrame({"a": [], "b": []})]))))
    )
    assert list(book.active.values) == [("a", "b")]
