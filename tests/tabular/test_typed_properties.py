"""Random typed tables, written by openpyxl and pyarrow, come back cell for cell."""

import datetime as dt
import decimal
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.tabular import columnar, sheet_table
from foretell.tabular.cell_patterns import NULL_TOKENS

from .workbook_bytes import sheet_of

SETTINGS = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FIRST_DAY = dt.date(1900, 3, 1)  # before it, spreadsheets count a day that never was

# What a workbook can hold; "_x000D_" would be an escape, blanks alone are no cell.
TEXT = st.text(
    st.one_of(
        st.sampled_from(list(" \"',;<>&\n0é漢🙂=-+")),
        st.characters(categories=["L", "N", "P", "S"], exclude_characters="_"),
    ),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() and text[0] != "=")
MOMENT = st.datetimes(
    dt.datetime.fromisoformat("1900-03-01"), dt.datetime.fromisoformat("2199-12-31")
)
SHEET_CELLS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(10**15), 10**15),
    "float": st.floats(-1e300, 1e300).map(lambda n: float(f"{n:.16g}")),
    "boolean": st.booleans(),
    "text": TEXT,
    "code": st.integers(0, 9999).map(lambda number: f"{number:05d}"),
    "date": st.dates(FIRST_DAY, dt.date(9999, 12, 31)),
    "timestamp": MOMENT.map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
    "time": st.times().map(lambda time: time.replace(microsecond=0)),
    "duration": st.integers(1, 10**6).map(
        lambda seconds: dt.timedelta(seconds=seconds)
    ),
}
PARQUET_CELLS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.int8(), st.integers(-128, 127)),
    "float": (pa.float64(), st.floats(allow_nan=False)),
    "boolean": (pa.bool_(), st.booleans()),
    "text": (
        pa.string(),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    ),
    "date": (pa.date32(), st.dates()),
    "timestamp": (pa.timestamp("us"), st.datetimes()),
    "time": (pa.time64("us"), st.times()),
    "duration": (
        pa.duration("us"),
        st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999)),
    ),
    "binary": (pa.binary(), st.binary(max_size=9)),
    "decimal": (
        pa.decimal128(20, 3),
        st.decimals(-(10**15), 10**15, places=3).map(decimal.Decimal),
    ),
    "list": (
        pa.list_(pa.int32()),
        st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=3),
    ),
}


@st.composite
def sheets(draw) -> tuple[list[str], list[list[Any]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(SHEET_CELLS)), min_size=2, max_size=5))
    cell = [st.one_of(SHEET_CELLS[kind], st.none()) for kind in kinds]
    rows = draw(st.lists(st.tuples(*cell).map(list), max_size=12))
    return [f"{kind} c{index}" for index, kind in enumerate(kinds)], rows


@SETTINGS
@given(table=sheets(), block=st.sampled_from([3, 8_192]))
def test_a_sheet_comes_back_cell_for_cell(import_bytes, monkeypatch, table, block):
    monkeypatch.setattr(sheet_table, "_BLOCK_ROWS", block)
    names, rows = table
    found = import_bytes(sheet_of([names, *rows]), header=True)
    filled = [row for row in rows if any(cell is not None for cell in row)]
    assert found.frame.columns == names
    assert [list(row) for row in found.frame.rows()] == [
        [_expected(cell, index, filled) for index, cell in enumerate(row)]
        for row in filled
    ]
    assert found.rejects == []
    assert found.result.rows == found.result.records == len(filled)


def _expected(cell: Any, index: int, rows: list[list[Any]]) -> Any:
    """A moment at midnight is a date where all others of its column are."""
    column = [row[index] for row in rows if row[index] is not None]
    is_moment = isinstance(cell, dt.datetime)
    if is_moment and all(moment.time() == dt.time() for moment in column):
        return cell.date()
    return cell


@SETTINGS
@given(
    cells=st.lists(
        st.one_of(*SHEET_CELLS.values(), st.none()), min_size=1, max_size=12
    ),
    block=st.sampled_from([3, 8_192]),
)
def test_a_forced_column_of_any_cells_loses_none(
    import_bytes, monkeypatch, cells, block
):
    monkeypatch.setattr(sheet_table, "_BLOCK_ROWS", block)
    data = sheet_of([["k", "v"], *([n, cell] for n, cell in enumerate(cells, 2))])
    found = import_bytes(data, types={"v": "integer"}, header=True)
    kept = dict(found.frame.rows())
    rejected = {reject["line"] for reject in found.rejects}
    assert sorted([*kept, *rejected]) == list(range(2, len(cells) + 2))
    for line, cell in enumerate(cells, 2):
        if isinstance(cell, int) and not isinstance(cell, bool):
            assert kept[line] == cell
        elif cell is None or cell in NULL_TOKENS:
            assert kept[line] is None


@st.composite
def tables(draw) -> pa.Table:
    kinds = draw(
        st.lists(st.sampled_from(sorted(PARQUET_CELLS)), min_size=1, max_size=5)
    )
    rows = draw(st.integers(0, 12))
    columns = {}
    for index, kind in enumerate(kinds):
        type_, cell = PARQUET_CELLS[kind]
        cells = draw(st.lists(st.one_of(cell, st.none()), min_size=rows, max_size=rows))
        columns[f"c{index}"] = pa.array(cells, type_)
    return pa.table(columns)


@SETTINGS
@given(
    table=tables(),
    group=st.sampled_from([3, 1000]),
    dictionary=st.booleans(),
    batch=st.sampled_from([2, 65_536]),
)
def test_a_parquet_file_comes_back_cell_for_cell(
    import_bytes, monkeypatch, table, group, dictionary, batch
):
    monkeypatch.setattr(columnar, "_MOST_BATCH_ROWS", batch)
    monkeypatch.setattr(columnar, "_FEWEST_BATCH_ROWS", 1)
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=group, use_dictionary=dictionary)
    found = import_bytes(file.getvalue())
    assert found.frame.to_dict(as_series=False) == table.to_pydict()
    assert found.result.rows == found.result.records == table.num_rows
