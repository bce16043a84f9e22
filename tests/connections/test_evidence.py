"""What the cells of a column are decides its type; nothing is lost on the way."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.connections.spooling import RowSpool
from foretell.core.columns import ColumnType
from foretell.core.connectors import ForeignColumn
from foretell.tabular.spool import write_parts
from foretell.tabular.spool_messages import SpoolRequest

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK = datetime(2026, 1, 1, 2, 3)  # noqa: DTZ001 - without a zone


def stored(
    folder: Path, cells: list[Any], declared: ForeignColumn | None = None
) -> tuple[ColumnType, list[Any], list[str]]:
    """Type, cells and codes of findings of a column that went through the spool."""
    spool = RowSpool(() if declared is None else (declared,))
    path, output = folder / "rows", folder / "parts"
    output.mkdir(exist_ok=True)
    path.write_bytes(spool.lines([{"c": cell} for cell in cells]))
    column = spool.columns[0]
    result = write_parts(
        SpoolRequest(str(path), str(output), [column.column()]), lambda _: None
    )
    frame = pl.read_parquet(output / result.parts[0].file)
    codes = [finding["code"] for finding in column.findings()]
    return column.column().type, frame["c"].to_list(), codes


CASES: list[tuple[list[Any], ColumnType, list[Any], list[str]]] = [
    ([True, None, False], ColumnType.BOOLEAN, [True, None, False], []),
    ([1, -(2**63), 2**63 - 1], ColumnType.INTEGER, [1, -(2**63), 2**63 - 1], []),
    ([1, 2**70], ColumnType.DECIMAL, [Decimal(1), Decimal(2**70)], []),
    ([10**40], ColumnType.TEXT, [str(10**40)], []),
    ([1, 2.5], ColumnType.FLOAT, [1.0, 2.5], ["mixed_numbers"]),
    ([float("inf"), 1.5], ColumnType.FLOAT, [float("inf"), 1.5], []),
    (
        [Decimal("1.50"), Decimal("2")],
        ColumnType.DECIMAL,
        [Decimal("1.50"), Decimal("2.00")],
        [],
    ),
    (
        [Decimal("NaN"), Decimal("1E+2")],
        ColumnType.DECIMAL,
        [None, Decimal(100)],
        ["non_finite"],
    ),
    (["a", "ß\x00"], ColumnType.TEXT, ["a", "ß\x00"], []),
    (["a", 1, True], ColumnType.TEXT, ["a", "1", "true"], ["mixed_types"]),
    ([date(1, 1, 1)], ColumnType.DATE, [date(1, 1, 1)], []),
    ([time(1, 2, 3, 4)], ColumnType.TIME, [time(1, 2, 3, 4)], []),
    ([MOMENT], ColumnType.TIMESTAMP, [MOMENT], []),
    ([CLOCK], ColumnType.TIMESTAMP, [CLOCK], []),
    (
        [CLOCK, MOMENT],
        ColumnType.TEXT,
        [CLOCK.isoformat(), MOMENT.isoformat()],
        ["mixed_types"],
    ),
    (
        [timedelta(days=-1, microseconds=5)],
        ColumnType.DURATION,
        [timedelta(days=-1, microseconds=5)],
        [],
    ),
    ([b"\x00\xff"], ColumnType.BINARY, [b"\x00\xff"], []),
    ([[1, None], []], ColumnType.LIST, [[1, None], []], []),
    ([[1, "a"]], ColumnType.LIST, [["1", "a"]], []),
    ([{"a": [1]}], ColumnType.TEXT, ['{"a":[1]}'], []),
    ([[{"a": 1}]], ColumnType.TEXT, ['[{"a":1}]'], []),
    ([None], ColumnType.TEXT, [None], []),
]


@pytest.mark.parametrize(("cells", "kind", "kept", "codes"), CASES)
def test_cells_arrive_typed(tmp_path, cells, kind, kept, codes):
    assert stored(tmp_path, cells) == (kind, kept, codes)


def test_the_declaration_counts_where_cells_agree(tmp_path):
    declared = ForeignColumn("c", ColumnType.DECIMAL, scale=2)
    found = stored(tmp_path, [1, None], declared)
    assert found == (ColumnType.DECIMAL, [Decimal("1.00"), None], [])
    other = stored(tmp_path, ["x"], declared)
    assert other == (ColumnType.TEXT, ["x"], ["type_changed"])
    empty = stored(tmp_path, [None], ForeignColumn("c", ColumnType.DATE))
    assert empty == (ColumnType.DATE, [None], [])


def test_columns_that_come_up_late_are_null_before():
    spool = RowSpool(())
    lines = spool.lines([{"a": 1}, {"b": 2}]).splitlines()
    assert [orjson.loads(line) for line in lines] == [[1], [None, 2]]
    assert [c.nulls for c in spool.columns] == [1, 1]


@given(
    st.lists(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.decimals(allow_nan=False, allow_infinity=False)
        | st.datetimes()
        | st.dates()
        | st.binary(),
        min_size=1,
        max_size=20,
    )
)
def test_any_cells_can_be_stored(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("cells")
    _, kept, _ = stored(folder, cells)
    assert [cell is None for cell in kept] == [cell is None for cell in cells]
