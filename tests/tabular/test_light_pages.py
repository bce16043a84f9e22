"""Pages that are found by statistics are the pages that a look at all rows finds."""

import datetime as dt
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.core.columns import ColumnType
from foretell.expressions.check import parse_condition
from foretell.expressions.polars_compiler import to_polars
from foretell.expressions.typed import column_names
from foretell.plugins.table_engines.bounds import bounds_of
from foretell.tabular.counting import count
from foretell.tabular.orders import Position, SortKey
from foretell.tabular.reading import Page, page
from foretell.tabular.row_groups import MoreGroupsNeeded, candidates, rows_at
from foretell.tabular.stored import StoredPart

ROWS = 240
GROUP = 8
TYPES = {
    "id": ColumnType.INTEGER,
    "near": ColumnType.INTEGER,
    "any": ColumnType.INTEGER,
    "text": ColumnType.TEXT,
    "day": ColumnType.DATE,
    "moment": ColumnType.TIMESTAMP,
    "x": ColumnType.FLOAT,
}


def table() -> pl.DataFrame:
    """Columns in order, nearly in order and in none, with ties, nulls and NaN."""
    draw = random.Random(7)  # noqa: S311
    near = [n // 5 + draw.randint(-3, 3) for n in range(ROWS)]
    some = [draw.randint(0, 9) for _ in range(ROWS)]
    start = dt.date(1969, 12, 1)
    return pl.DataFrame(
        {
            "id": range(ROWS),
            "near": [None if draw.random() < 0.1 else n for n in near],
            "any": [None if n == 3 else n for n in some],
            "text": [
                None if 40 < n < 90 else draw.choice("aBéßz🙂") + f"{n // 7:03d}"
                for n in range(ROWS)
            ],
            "day": [start + dt.timedelta(days=n // 3) for n in range(ROWS)],
            "moment": [
                dt.datetime.fromisoformat("1969-12-31T23:00:00")
                + dt.timedelta(minutes=n // 2)
                for n in range(ROWS)
            ],
            "x": [draw.choice([float("nan"), None, 1.5, -2.0]) for _ in range(ROWS)],
        },
        schema_overrides={"near": pl.Int32},
    )


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[StoredPart]:
    folder: Path = tmp_path_factory.mktemp("light")
    found = []
    for n, frame in enumerate(table().iter_slices(90)):
        path = folder / f"{n}.parquet"
        frame.write_parquet(path, row_group_size=GROUP, data_page_size=64)
        found.append(StoredPart(str(path), frame.height))
    return found


CONDITIONS = st.sampled_from(
    [
        None,
        "id = 77",
        "near >= 20 AND near < 24",
        "12 > near",
        "near IN (3, 40)",
        "any = 4",
        "text = 'a001'",
        "text > 'é' AND id <= 200",
        "day BETWEEN DATE '1969-12-30' AND DATE '1970-01-04'",
        "moment <= TIMESTAMP '1970-01-01 00:10:00'",
        "x > 0",
        "near = 20 OR any = 2",
        "NOT (id < 100)",
        "any IN (1, NULL)",
        "id = 5000",
        "near IS NULL",
    ]
)
KEYS = st.lists(
    st.tuples(st.sampled_from(list(TYPES)), st.booleans()),
    max_size=2,
    unique_by=lambda key: key[0],
).map(lambda keys: [SortKey(*key) for key in keys])
LOOSE = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(condition=CONDITIONS, keys=KEYS, limit=st.integers(1, 9), most=st.integers(1, 5))
@LOOSE
def test_a_walk_by_few_row_groups_is_the_walk_over_all_rows(
    parts, condition, keys, limit, most
):
    where = parse_condition(condition, TYPES, {}) if condition else None
    expr = None if where is None else to_polars(where)

    def both(after: Position | None = None, before: Position | None = None) -> Page:
        whole = page(
            parts, limit=limit, where=expr, sort=keys, after=after, before=before
        )
        try:
            found = page(
                parts,
                limit=limit,
                where=expr,
                sort=keys,
                bounds=bounds_of(where),
                needs=[] if where is None else column_names(where),
                most_groups=most,
                after=after,
                before=before,
            )
        except MoreGroupsNeeded:
            return whole
        assert found.frame.equals(whole.frame)
        assert (found.next, found.previous) == (whole.next, whole.previous)
        return found

    found = both()
    for _ in range(12):
        if found.next is None:
            break
        found = both(after=found.next)
    for _ in range(4):
        if found.previous is None:
            break
        found = both(before=found.previous)


@given(condition=CONDITIONS)
@LOOSE
def test_no_matching_row_is_outside_of_the_row_groups_that_may_hold_one(
    parts, condition
):
    where = parse_condition(condition, TYPES, {}) if condition else None
    expr = None if where is None else to_polars(where)
    held = sum(group.rows for group in candidates(parts, bounds_of(where)))
    found = count(parts, expr, bounds=bounds_of(where))
    assert found.count == count(parts, expr).count <= held


@pytest.mark.parametrize(
    ("condition", "groups"),
    [("id = 77", 1), ("id = 5000", 0), ("text = '!'", 0), ("id >= 235", 2)],
)
def test_statistics_rule_row_groups_out(parts, condition, groups):
    where = parse_condition(condition, TYPES, {})
    assert len(candidates(parts, bounds_of(where))) == groups


@pytest.mark.parametrize("sort", [[SortKey("id", True)], [SortKey("day")]])
def test_a_page_of_an_order_that_the_file_has_takes_few_row_groups(parts, sort):
    found = page(parts, limit=4, sort=sort, most_groups=2)
    assert found.frame.height == 4
    deep = page(parts, limit=4, sort=sort, after=found.next, most_groups=2)
    assert deep.frame.height == 4


def test_an_order_that_the_file_does_not_have_needs_all_of_it(parts):
    for column in ("any", "x"):
        with pytest.raises(MoreGroupsNeeded):
            page(parts, limit=4, sort=[SortKey(column)], most_groups=3)


@given(numbers=st.lists(st.integers(0, ROWS - 1), max_size=20, unique=True))
@LOOSE
def test_rows_come_by_number_in_the_order_of_the_numbers(parts, numbers):
    found = rows_at(parts, numbers, ["text", "id"])
    assert found["id"].to_list() == numbers
    assert found.columns == ["text", "id"]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> list[StoredPart]:
    """A version whose sorted pages lie all over its blocks."""
    folder: Path = tmp_path_factory.mktemp("wide")
    rows = 30_000
    frame = pl.select(id=pl.int_range(rows)).with_columns(
        any=(pl.col("id") * 7_919) % 9_973,
        x=pl.when(pl.col("id") % 11 > 0).then(
            pl.when(pl.col("id") % 13 > 0)
            .then((pl.col("id") * 31 % 997) / 8)
            .otherwise(float("nan"))
        ),
        text=pl.format("ß{}", (pl.col("id") * 613) % 401),
        few=(pl.col("id") % 3).cast(pl.String),
        flag=pl.col("id") % 2 == 0,
        day=pl.date(2024, 1, 1) + pl.duration(days=pl.col("id") * 17 % 365),
    )
    found = []
    for n, part in enumerate(frame.iter_slices(20_000)):
        path = folder / f"{n}.parquet"
        part.write_parquet(path, row_group_size=4_096, data_page_size=4_096)
        found.append(StoredPart(str(path), part.height))
    return found


@pytest.mark.parametrize(
    "sort",
    [
        ["any"],
        ["-any"],
        ["x"],
        ["-x", "text"],
        ["few", "-text", "any"],
        ["flag", "text"],
        ["-day", "-any"],
    ],
    ids=",".join,
)
@pytest.mark.parametrize("is_filtered", [False, True])
def test_sorted_pages_all_over_a_version_are_those_of_a_plain_sort(
    wide, sort, is_filtered
):
    keys = [SortKey(name.lstrip("-"), name.startswith("-")) for name in sort]
    where = pl.col("any") % 5 != 1 if is_filtered else None
    whole = pl.concat([pl.read_parquet(part.path) for part in wide])
    whole = whole.filter(pl.col("any") % 5 != 1) if is_filtered else whole
    ordered = whole.with_columns(pl.col("x").fill_nan(None)).sort(
        [*(key.column for key in keys), "id"],
        descending=[*(key.descending for key in keys), False],
        nulls_last=True,
    )
    after, ids = None, []
    for _ in range(4):
        found = page(wide, limit=60, where=where, sort=keys, after=after)
        ids += found.frame["id"].to_list()
        after = found.next
    assert ids == ordered["id"].head(240).to_list()
    first = found.frame.row(0, named=True)
    again = whole.filter(pl.col("id") == first["id"]).row(0, named=True)
    assert repr(first) == repr(again)
