"""Workbooks made to exhaust the reader are refused before it opens them."""

import time

import pytest

from foretell.errors import TooLarge
from foretell.tabular.errors import DamagedFile, InflatedTooLarge, SheetTooLarge
from foretell.tabular.messages import ImportLimits

from .workbook_bytes import raw_workbook, sheet_of

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _soon():
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 15


def rows(count: int, cell: str = '<c r="A{n}"><v>1</v></c>', start: int = 1):
    for n in range(start, start + count):
        yield f'<row r="{n}">{cell.format(n=n)}</row>'.encode()


def test_a_far_cell_is_refused(import_bytes):
    far = [b'<row r="1"><c r="A1"><v>1</v></c></row>']
    far.append(b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
    with pytest.raises(SheetTooLarge, match="17,179,869,184 cells"):
        import_bytes(raw_workbook(far))


def test_a_cell_of_300_mb_is_refused(import_bytes):
    zeros = b"0" * MIB
    cell = [b'<row r="1"><c r="A1" t="inlineStr"><is><t>', *[zeros] * 300]
    with pytest.raises(InflatedTooLarge, match="100 times"):
        import_bytes(raw_workbook([*cell, b"</t></is></c></row>"]))


def test_shared_texts_of_300_mb_are_refused(import_bytes):
    shared = [b"<si><t>", *[b"x" * MIB] * 300, b"</t></si>"]
    with pytest.raises(InflatedTooLarge):
        import_bytes(raw_workbook(rows(2), shared=shared))


def test_five_million_rows_in_a_megabyte_are_refused(import_bytes):
    thousand = b"<row><c><v>1</v></c></row>" * 1000
    with pytest.raises(TooLarge, match=r"5,000,000 rows|100 times"):
        import_bytes(raw_workbook([thousand] * 5_000))


def test_more_rows_than_a_spreadsheet_has_are_refused(import_bytes):
    data = raw_workbook(rows(30))
    with pytest.raises(SheetTooLarge, match="30 rows; at most 20"):
        import_bytes(data, limits=ImportLimits(sheet_rows=20))


def test_a_sheet_that_would_not_fit_into_memory_is_refused_with_the_figures(
    import_bytes,
):
    data = raw_workbook(rows(20_000))
    limits = ImportLimits(memory_bytes=MIB)
    with pytest.raises(SheetTooLarge, match="WORKER_MEMORY"):
        import_bytes(data, limits=limits)
    assert import_bytes(data).result.records == 20_000


def test_too_many_parts_are_refused(import_bytes):
    more = {f"xl/media/{n}.png": b"" for n in range(200)}
    with pytest.raises(InflatedTooLarge, match="100 parts"):
        import_bytes(
            raw_workbook(rows(1), more=more), limits=ImportLimits(zip_entries=100)
        )


def test_a_size_that_the_archive_hides_is_counted_while_it_is_unpacked(import_bytes):
    data = raw_workbook([b" " * MIB for _ in range(70)])
    true, lie = (70 * MIB).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert data.count(true[2:]) >= 1
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(b"xl/worksheets/sheet1.xml"))
    hidden = data[: at + 24] + lie + data[at + 28 :]
    with pytest.raises((InflatedTooLarge, DamagedFile)):
        import_bytes(hidden, limits=ImportLimits(workbook_bytes=32 * MIB))


def test_a_part_that_is_there_twice_is_refused(import_bytes):
    with pytest.raises(DamagedFile, match="twice"):
        import_bytes(raw_workbook(rows(1), more={"xl/Worksheets/SHEET1.xml": b"<x/>"}))


def test_a_wide_sheet_is_refused_by_its_columns(import_bytes):
    with pytest.raises(TooLarge, match="columns"):
        import_bytes(
            sheet_of([list(range(300)), [1] * 300]), limits=ImportLimits(columns=200)
        )


def test_far_columns_alone_are_read(import_bytes):
    found = import_bytes(raw_workbook(rows(2_000, '<c r="XFD{n}"><v>{n}</v></c>')))
    assert (found.result.records, len(found.frame.columns)) == (2_000, 1)


def test_a_long_cell_rejects_its_row(import_bytes):
    data = sheet_of([["k", "t"], [1, "x" * 2000], [2, "y"]])
    found = import_bytes(data, limits=ImportLimits(cell_bytes=1000))
    assert found.frame.rows() == [(2, "y")]
    assert [(r["line"], r["code"]) for r in found.rejects] == [(2, "cell_too_large")]
