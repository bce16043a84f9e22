"""Pages of stored versions, compared with a plain Python order."""

import datetime as dt
import functools
import itertools
import math
import tempfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.errors import Invalid
from foretell.tabular.counting import count
from foretell.tabular.orders import Position, SortKey
from foretell.tabular.reading import page, seek
from foretell.tabular.stored import Parts, StoredPart, UnknownColumns

SCHEMA = {
    "i": pl.Int64(),
    "f": pl.Float64(),
    "t": pl.String(),
    "b": pl.Boolean(),
    "d": pl.Date(),
    "z": pl.Datetime("us", "UTC"),
    "m": pl.Decimal(38, 2),
    "^x$": pl.Int64(),
}
ROW = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-2, 2) | st.just(2**60),
        "f": st.none() | st.sampled_from([math.nan, math.inf, -1.5, 0.0, -0.0, 2.5]),
        "t": st.none() | st.sampled_from(["", "a", "B", "é", "z", "🙂", "\uffff"]),
        "b": st.none() | st.booleans(),
        "d": st.none() | st.dates(dt.date(2020, 1, 1), dt.date(2020, 1, 3)),
        "z": st.none()
        | st.sampled_from([dt.datetime(2020, 1, n, tzinfo=dt.UTC) for n in (1, 2)]),
        "m": st.none() | st.sampled_from([Decimal("1.50"), Decimal("-2.25")]),
        "^x$": st.integers(0, 1),
    }
)
KEYS = st.lists(
    st.tuples(st.sampled_from(sorted(SCHEMA)), st.booleans()), max_size=3
).map(lambda keys: [SortKey(*key) for key in keys])

Store = Callable[..., Parts]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    def run(rows: Sequence[dict[str, Any]], cuts: Sequence[int] = ()) -> Parts:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        frame = pl.DataFrame(rows, schema=SCHEMA)
        parts = []
        edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
        for n, (start, stop) in enumerate(itertools.pairwise(edges)):
            path = folder / f"{n}.parquet"
            frame[start:stop].write_parquet(path, row_group_size=3)
            parts.append(StoredPart(str(path), stop - start))
        return parts

    return run


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _in_order(rows: Sequence[dict[str, Any]], keys: Sequence[SortKey]) -> list[int]:
    """Row numbers in the public order, by the simplest means."""

    def compare(a: int, b: int) -> int:
        for key in keys:
            x, y = rows[a][key.column], rows[b][key.column]
            if _is_null(x) or _is_null(y):
                if _is_null(x) != _is_null(y):
                    return 1 if _is_null(x) else -1
            elif x != y:
                return -1 if (x < y) != key.descending else 1
        return a - b

    return sorted(range(len(rows)), key=functools.cmp_to_key(compare))


def _through_json(position: Position) -> Position:
    return msgspec.json.decode(msgspec.json.encode(position), type=Position)


@given(
    rows=st.lists(ROW, max_size=14),
    cuts=st.lists(st.integers(0, 14), max_size=2),
    keys=KEYS,
    limit=st.integers(1, 5),
    is_filtered=st.booleans(),
)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_paging_gives_every_row_once_in_order_both_ways(
    store: Store, rows, cuts, keys, limit, is_filtered
):
    parts = store([{**row, "i": n} for n, row in enumerate(rows)], cuts)
    rows = [{**row, "i": n} for n, row in enumerate(rows)]
    where = pl.col("b") if is_filtered else None
    expected = [n for n in _in_order(rows, keys) if not is_filtered or rows[n]["b"]]
    seen: list[list[int]] = []
    after = None
    while True:
        found = page(parts, limit=limit, where=where, sort=keys, after=after)
        seen.append(found.frame["i"].to_list())
        assert len(seen) <= len(rows) + 1
        if found.next is None:
            break
        after = _through_json(found.next)
    assert [n for numbers in seen for n in numbers] == expected
    back = []
    while found.previous is not None:
        before = _through_json(found.previous)
        found = page(parts, limit=limit, where=where, sort=keys, before=before)
        back.append(found.frame["i"].to_list())
    assert [n for numbers in reversed(back) for n in numbers] == expected[
        : len(expected) - len(seen[-1])
    ]
    assert count(parts, where).count == len(expected)


@given(
    rows=st.lists(ROW, max_size=14),
    keys=KEYS,
    limit=st.integers(1, 5),
    share=st.floats(0, 1),
    is_filtered=st.booleans(),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_seeking_leaves_its_share_of_the_rows_before_the_page(
    store: Store, rows, keys, limit, share, is_filtered
):
    rows = [{**row, "i": n} for n, row in enumerate(rows)]
    parts = store(rows, [4])
    where = pl.col("b") if is_filtered else None
    expected = [n for n in _in_order(rows, keys) if not is_filtered or rows[n]["b"]]
    after = seek(parts, share, limit=limit, where=where, sort=keys)
    found = page(parts, limit=limit, where=where, sort=keys, after=after)
    first = max(0, min(int(share * len(expected)), len(expected) - limit))
    assert found.frame["i"].to_list() == expected[first : first + limit]


def test_columns_come_as_asked_for(store: Store):
    parts = store([{"i": 1, "t": "a", "^x$": 5}, {"i": 2, "t": "b", "^x$": 6}], [1])
    found = page(parts, limit=5, columns=["^x$", "i"])
    assert found.frame.rows() == [(5, 1), (6, 2)]
    sorted_page = page(parts, limit=5, columns=["t"], sort=[SortKey("i", True)])
    assert sorted_page.frame.rows() == [("b",), ("a",)]


def test_an_unknown_column_is_named(store: Store):
    parts = store([{"i": 1}])
    with pytest.raises(UnknownColumns, match=r"'nope'.*'i', 'f'"):
        page(parts, limit=1, columns=["nope"])
    with pytest.raises(UnknownColumns, match="'nope'"):
        page(parts, limit=1, sort=[SortKey("nope")])


@pytest.mark.parametrize("values", [[], ["x"], [[1]], [1, 2], [{"a": 1}]])
def test_a_position_of_another_order_is_refused(store: Store, values):
    parts = store([{"i": 1}])
    with pytest.raises(Invalid, match="another sort order"):
        page(parts, limit=1, sort=[SortKey("i")], after=Position(values, 0))


def test_any_row_number_can_be_jumped_to(store: Store):
    parts = store([{"i": n} for n in range(10)], [4])
    assert page(parts, limit=2, after=Position([], 5)).frame["i"].to_list() == [6, 7]
    assert page(parts, limit=2, after=Position([], 99)).frame.is_empty()


def test_a_count_without_time_says_so(store: Store):
    parts = store([{"i": n} for n in range(10)])
    found = count(parts, pl.col("i") > 3, seconds=-1)
    assert (found.count, found.exact) == (0, False)
    assert count(parts, pl.col("i") > 3).count == 6
    assert count(parts).count == 10


def test_the_deepest_page_reads_no_more_than_the_first(tmp_path: Path):
    path = tmp_path / "big.parquet"
    frame = pl.select(i=pl.int_range(300_000), t=pl.lit("x").repeat_by(1).list.first())
    frame.write_parquet(path, row_group_size=10_000)
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(bytes(damaged))
    parts = [StoredPart(str(path), 300_000)]
    with pytest.raises(pl.exceptions.PolarsError):
        page(parts, limit=300_000)
    assert page(parts, limit=100).frame["i"][-1] == 99
    deepest = page(parts, limit=100, after=Position([], 299_899))
    assert deepest.frame["i"][-1] == 299_999
