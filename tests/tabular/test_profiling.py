"""Statistics compared with plain Python."""

import datetime as dt
import math
import statistics
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.tabular.profiling import ColumnProfile, profile
from foretell.tabular.stored import StoredPart


@pytest.fixture
def profiled(tmp_path: Path):
    def run(frame: pl.DataFrame, where: pl.Expr | None = None):
        path = tmp_path / "p.parquet"
        frame.write_parquet(path, row_group_size=5)
        found = profile([StoredPart(str(path), frame.height)], where)
        orjson.loads(msgspec.json.encode(found))
        return found

    return run


FLOATS = st.lists(
    st.none()
    | st.sampled_from([math.nan, math.inf, -math.inf])
    | st.floats(-1e9, 1e9)
    | st.integers(-3, 3).map(float),
    max_size=30,
)


@given(cells=FLOATS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_figures_of_numbers_are_those_of_the_finite_ones(profiled, cells):
    column: ColumnProfile = profiled(
        pl.DataFrame({"x": cells}, schema={"x": pl.Float64})
    ).columns[0]
    finite = [cell for cell in cells if cell is not None and math.isfinite(cell)]
    assert column.nulls == cells.count(None)
    assert column.nan == sum(1 for c in cells if c is not None and math.isnan(c))
    assert column.infinite == sum(1 for c in cells if c is not None and math.isinf(c))
    assert column.distinct == len(set(finite))
    if not finite:
        assert column.histogram is None
        return
    assert (column.min, column.max) == (min(finite), max(finite))
    assert column.mean == pytest.approx(statistics.fmean(finite), abs=1e-3)
    if len(finite) == 1:
        assert column.std is None
    else:
        assert column.std == pytest.approx(statistics.stdev(finite), abs=1e-3)
    assert column.quantiles is not None
    assert column.quantiles["0.5"] == pytest.approx(np.quantile(finite, 0.5), abs=1e-6)
    assert column.histogram is not None
    assert sum(column.histogram.counts) == len(finite)
    edges = column.histogram.edges
    assert (edges[0], edges[-1]) == (min(finite), max(finite))


@given(cells=st.lists(st.none() | st.sampled_from("abcé") | st.text(max_size=2)))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_top_values_of_texts_are_counted_exactly(profiled, cells):
    column = profiled(pl.DataFrame({"t": cells}, schema={"t": pl.String})).columns[0]
    counts = Counter(cell for cell in cells if cell is not None)
    assert column.nulls == cells.count(None)
    assert column.distinct == len(counts)
    assert column.top is not None
    assert all(counts[top.value] == top.count for top in column.top)
    shown = sorted((top.count for top in column.top), reverse=True)
    assert shown == sorted(counts.values(), reverse=True)[:20]


def test_one_row_has_no_spread(profiled):
    column = profiled(pl.DataFrame({"x": [5]})).columns[0]
    assert (column.mean, column.std, column.min, column.max) == (5.0, None, 5, 5)


def test_no_rows_have_only_zeros_and_nulls(profiled):
    frame = pl.DataFrame(schema={"x": pl.Int64, "t": pl.String, "d": pl.Date})
    found = profiled(frame)
    assert found.rows == 0
    assert [column.distinct for column in found.columns] == [0, 0, 0]


def test_large_whole_numbers_stay_exact(profiled):
    column = profiled(pl.DataFrame({"x": [2**62 + 1, 2**62 + 3]})).columns[0]
    assert (column.min, column.max) == (2**62 + 1, 2**62 + 3)


def test_huge_floats_do_not_overflow(profiled):
    column = profiled(pl.DataFrame({"x": [-1.7e308, 1.7e308]})).columns[0]
    assert column.quantiles["0.5"] == 0.0
    assert sum(column.histogram.counts) == 2


def test_times_decimals_and_booleans_have_their_own_forms(profiled):
    moment = dt.datetime.fromisoformat("2024-01-02T03:04:05")
    found = profiled(
        pl.DataFrame(
            {
                "d": [dt.date(2024, 1, 1), dt.date(2024, 1, 31)],
                "ts": [moment, moment],
                "z": [moment.replace(tzinfo=dt.UTC)] * 2,
                "m": pl.Series([Decimal("1.50"), None]).cast(pl.Decimal(38, 2)),
                "b": [True, None],
                "l": [[1], None],
                "tm": [dt.time(1), dt.time(2)],
            }
        )
    )
    by_name = {column.name: column for column in found.columns}
    assert (by_name["d"].min, by_name["d"].max) == ("2024-01-01", "2024-01-31")
    assert by_name["d"].histogram.edges[-1] == "2024-01-31"
    assert by_name["ts"].min == "2024-01-02T03:04:05"
    assert by_name["z"].quantiles["0.5"] == "2024-01-02T03:04:05Z"
    assert by_name["m"].min == "1.50"
    assert [(top.value, top.count) for top in by_name["b"].top] == [(True, 1)]
    assert by_name["l"].nulls == 1
    assert by_name["tm"].max == "02:00:00"


def test_a_filter_limits_the_rows(profiled):
    found = profiled(pl.DataFrame({"x": range(10)}), pl.col("x") < 4)
    assert (found.rows, found.columns[0].max) == (4, 3)


def test_derived_columns_are_described_in_the_place_of_stored_ones(tmp_path: Path):
    path = tmp_path / "p.parquet"
    pl.DataFrame({"t": [" A", "a ", "", None], "n": [1, 2, 3, 4]}).write_parquet(path)
    cleaned = pl.col("t").str.strip_chars().str.to_lowercase().alias("t")
    parts = [StoredPart(str(path), 4)]
    found = profile(parts, pl.col("t") == "a", [cleaned])
    text, number = found.columns
    assert (found.rows, text.distinct, text.max) == (2, 1, "a")
    assert (number.name, number.max) == ("n", 2)
    sized = [pl.col("t").str.len_chars().alias("size")]
    assert [c.name for c in profile(parts, None, sized).columns] == ["t", "n", "size"]
