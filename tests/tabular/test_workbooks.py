"""One sheet of an XLSX workbook becomes a version: its cells keep their types."""

# ruff: noqa: DTZ001 - cells have no zone

import datetime as dt
import io
import zipfile
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from foretell.errors import UnsupportedFormat
from foretell.tabular.errors import (
    BadOption,
    DamagedFile,
    EmptyFile,
    OtherFormat,
    SheetNotFound,
)

from .workbook_bytes import raw_workbook, sheet_of, workbook

HEADER = ["id", "name", "day", "at", "amount", "ok", "code"]
Rows = list[list[Any]]

ROWS: Rows = [
    [1, "Ann", dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 8, 30), 1.5, True, "007"],
    [2, "Bob", None, dt.datetime(2024, 3, 1, 9, 0, 1), -2, False, "042"],
    [3, None, dt.date(1999, 12, 31), None, None, None, None],
]


def test_cells_keep_the_types_they_have_in_the_workbook(import_bytes):
    found = import_bytes(sheet_of([HEADER, *ROWS]))
    assert found.types == {
        "id": "integer",
        "name": "text",
        "day": "date",
        "at": "timestamp",
        "amount": "float",
        "ok": "boolean",
        "code": "text",
    }
    assert found.frame.rows() == [tuple(row) for row in ROWS]
    nullable = {column.name for column in found.result.columns if column.nullable}
    assert nullable == set(HEADER) - {"id"}


def test_the_source_says_which_sheet_was_read(import_bytes):
    found = import_bytes(workbook(("Notes", []), ("Sales", [["a"], [1]]), ("B", [])))
    source = found.result.source
    assert (source.format, source.sheet, source.header) == ("xlsx", "Sales", 1)
    assert source.sheets == ["Notes", "Sales", "B"]


@pytest.mark.parametrize("sheet", ["Second", 1])
def test_a_sheet_is_chosen_by_name_or_by_place(import_bytes, sheet):
    data = workbook(("First", [["a"], [1]]), ("Second", [["b"], [2]]))
    found = import_bytes(data, sheet=sheet)
    assert (found.frame.columns, found.frame.rows()) == (["b"], [(2,)])


@pytest.mark.parametrize("sheet", ["first", 2, -1])
def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(import_bytes, sheet):
    data = workbook(("First", [["a"], [1]]), ("Second", []))
    with pytest.raises(SheetNotFound, match="'First', 'Second'"):
        import_bytes(data, sheet=sheet)


@pytest.mark.parametrize("sheet", [None, "Empty"])
def test_a_workbook_without_a_cell_is_empty(import_bytes, sheet):
    with pytest.raises(EmptyFile):
        import_bytes(workbook(("Empty", [])), sheet=sheet)


@pytest.mark.parametrize("epoch", [None, CALENDAR_MAC_1904])
def test_dates_are_right_in_both_epochs(import_bytes, epoch):
    rows: Rows = [
        ["d"],
        [dt.date(2020, 1, 2)],
        [dt.date(1904, 1, 3)],
        [dt.date(9999, 12, 31)],
    ]
    found = import_bytes(workbook(("S", rows), epoch=epoch))
    assert found.frame["d"].to_list() == [row[0] for row in rows[1:]]


def test_times_and_durations(import_bytes):
    rows: Rows = [
        ["t", "d", "both", "moment"],
        [dt.time(8, 30), dt.timedelta(hours=30), dt.time(8), dt.date(2024, 1, 1)],
        [
            dt.time(0, 0, 1),
            dt.timedelta(days=2),
            dt.timedelta(hours=26),
            dt.datetime(2024, 1, 1, 1),
        ],
    ]
    found = import_bytes(sheet_of(rows))
    assert list(found.types.values()) == ["time", "duration", "duration", "timestamp"]
    assert found.frame["both"].to_list() == [
        dt.timedelta(hours=8),
        dt.timedelta(hours=26),
    ]
    assert found.frame["moment"].to_list()[0] == dt.datetime(2024, 1, 1)


def test_text_that_looks_like_something_else_stays_text(import_bytes):
    rows: Rows = [
        ["n", "z", "d", "b"],
        ["42", "0042", "2024-01-01", "TRUE"],
        ["1.5", "1", "x", "y"],
    ]
    found = import_bytes(sheet_of(rows))
    assert set(found.types.values()) == {"text"}
    assert found.frame.row(0) == ("42", "0042", "2024-01-01", "TRUE")


def test_a_column_of_several_types_is_text_as_the_sheet_shows_it(import_bytes):
    cells = [
        1,
        2.5,
        "x",
        True,
        dt.date(2024, 1, 2),
        dt.datetime(2024, 1, 2, 3, 4),
        dt.time(5),
        dt.timedelta(hours=30),
    ]
    found = import_bytes(sheet_of([["k", "v"], *([i, c] for i, c in enumerate(cells))]))
    assert found.frame["v"].to_list() == [
        "1", "2.5", "x", "TRUE", "2024-01-02", "2024-01-02 03:04:00", "05:00:00", "30:00:00",
    ]  # fmt: skip
    assert found.findings == ["mixed_types"]


def test_words_for_no_value_are_null_only_where_the_column_is_no_text(import_bytes):
    rows: Rows = [
        ["n", "t", "only"],
        [1, "NA", "-"],
        ["NA", "x", "NA"],
        ["-", "-", "-"],
    ]
    found = import_bytes(sheet_of(rows))
    assert found.frame.rows() == [(1, "NA", "-"), (None, "x", "NA"), (None, "-", "-")]


def test_the_option_nulls_holds_for_every_type(import_bytes):
    rows: Rows = [["n", "t"], [1, "none"], [-999, "x"], [2, "-999"]]
    found = import_bytes(sheet_of(rows), nulls=["-999", "none"])
    assert found.frame.rows() == [(1, None), (None, "x"), (2, None)]
    assert found.types == {"n": "integer", "t": "text"}


def test_a_forced_column_sends_what_does_not_fit_to_the_rejects(import_bytes):
    rows: Rows = [["id", "n"], [1, 5], [2, "x"], [], [3, "007"], [4, None], [5, 1.5]]
    found = import_bytes(sheet_of(rows), types={"n": "integer"})
    assert found.frame.rows() == [(1, 5), (3, 7), (4, None)]
    assert [(r["line"], r["record"], r["code"], r["raw"]) for r in found.rejects] == [
        (3, 2, "invalid_integer", "2,x"),
        (7, 5, "invalid_integer", "5,1.5"),
    ]
    assert found.result.rows + found.result.rejects == found.result.records == 5


def test_forced_types_take_typed_cells_in_the_format_that_is_asked_for(import_bytes):
    day = dt.date(2024, 2, 3)
    rows: Rows = [
        ["d", "t", "f", "s"],
        [day, day, 1, 12],
        ["03.02.2024", dt.datetime(2024, 2, 3, 4), "1,5", 0.1],
    ]
    found = import_bytes(
        sheet_of(rows),
        date_format={"d": "%d.%m.%Y"},
        types={"t": "timestamp", "f": "decimal", "s": "text"},
        decimal=",",
    )
    assert found.rejects == []
    assert found.frame["d"].to_list() == [day, day]
    assert found.frame["t"].to_list() == [
        dt.datetime(2024, 2, 3),
        dt.datetime(2024, 2, 3, 4),
    ]
    assert [str(cell) for cell in found.frame["f"]] == ["1.0", "1.5"]
    assert found.frame["s"].to_list() == ["12", "0,1"]


def test_a_moment_that_is_no_midnight_is_no_date(import_bytes):
    rows: Rows = [
        ["k", "d"],
        [1, dt.datetime(2024, 1, 2)],
        [2, dt.datetime(2024, 1, 2, 3)],
    ]
    found = import_bytes(sheet_of(rows), types={"d": "date"})
    assert found.frame.rows() == [(1, dt.date(2024, 1, 2))]
    assert [reject["line"] for reject in found.rejects] == [3]


def test_a_decimal_that_grows_on_the_way_costs_no_row(import_bytes):
    rows: Rows = [["d"], *([str(n)] for n in range(9000)), ["0.125"]]
    found = import_bytes(sheet_of(rows), types={"d": "decimal"})
    assert (found.result.rows, found.rejects) == (9001, [])
    assert str(found.frame["d"][-1]) == "0.125"


# --- header ----------------------------------------------------------------------


def test_a_title_above_the_table_is_left_out(import_bytes):
    rows: Rows = [
        ["Sales of 2024"],
        [],
        [None, "by", "Ann"],
        ["id", "name", "n"],
        [1, "x", 2],
        [3, "y", 4],
    ]
    found = import_bytes(sheet_of(rows), header=4)
    assert (found.frame.columns, found.result.source.header) == (["id", "name", "n"], 4)
    assert found.frame.rows() == [(1, "x", 2), (3, "y", 4)]
    assert "preamble" in found.findings


def test_a_moving_header_is_found(import_bytes):
    rows: Rows = [["Report"], [], ["id", "name", "n"], [1, "x", 2], [3, "y", 4]]
    found = import_bytes(sheet_of(rows))
    assert (found.result.source.header, found.frame.columns[0]) == (3, "id")


def test_a_sheet_without_a_header_gets_names(import_bytes):
    data = sheet_of([[1, 2.5], [3, 4.5]])
    assert import_bytes(data).frame.columns == ["column_1", "column_2"]
    found = import_bytes(sheet_of([["a", "b"], ["c", "d"]]), header=False)
    assert found.frame.rows() == [("a", "b"), ("c", "d")]
    assert found.result.source.header is False


def test_skipped_rows_and_a_header_alone(import_bytes):
    found = import_bytes(sheet_of([["x", "y"], ["a", "b"], [1, 2]]), skip=1)
    assert (found.frame.columns, found.frame.rows()) == (["a", "b"], [(1, 2)])
    found = import_bytes(sheet_of([["a", "b"]]))
    assert (found.frame.columns, found.result.rows) == (["a", "b"], 0)


def test_a_header_that_is_not_there_is_refused(import_bytes):
    with pytest.raises(BadOption, match="line 9"):
        import_bytes(sheet_of([["a"], [1]]), header=9)


def test_names_follow_the_rules_for_delimited_text(import_bytes):
    found = import_bytes(
        sheet_of([[" a ", None, "a", 2024], [1, 2, 3, 4]]), header=True
    )
    assert found.frame.columns == ["a", "column_2", "a_2", "2024"]


def test_an_unknown_column_in_the_options_is_refused(import_bytes):
    with pytest.raises(BadOption, match=r"'z'.*'a'"):
        import_bytes(sheet_of([["a"], [1]]), types={"z": "integer"})


# --- what sheets have and text has not -------------------------------------------


def test_blank_rows_and_columns_at_the_end_are_none(import_bytes):
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["a", "b"], [1, 2], [], [3, None], [], []):
        sheet.append(row)
    sheet["F30"].number_format = "0.00"
    sheet["E1"] = ""
    file = io.BytesIO()
    book.save(file)
    found = import_bytes(file.getvalue())
    assert found.frame.rows() == [(1, 2), (3, None)]


def test_a_table_may_stand_anywhere(import_bytes):
    rows: Rows = [
        [],
        [],
        [None, None, "a", "b"],
        [None, None, 1, "x"],
        [None, None, "?", "y"],
    ]
    found = import_bytes(sheet_of(rows), types={"a": "integer"})
    assert (found.frame.columns, found.frame.rows()) == (["a", "b"], [(1, "x")])
    assert [(r["line"], r["raw"]) for r in found.rejects] == [(5, "?,y")]


def test_merged_cells_have_one_value(import_bytes):
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["g", "n"], ["x", 1], [None, 2], ["y", 3]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    file = io.BytesIO()
    book.save(file)
    found = import_bytes(file.getvalue())
    assert found.frame["g"].to_list() == ["x", None, "y"]
    assert found.findings == ["merged_cells"]


def test_errors_are_no_values_and_are_counted(import_bytes):
    rows = [b'<row r="1"><c r="A1" t="str"><v>n</v></c></row>']
    for line, error in enumerate(("#N/A", "#DIV/0!", "#REF!"), 2):
        cell = f'<c r="A{line}" t="e"><f>1/0</f><v>{error}</v></c>'
        rows.append(f'<row r="{line}">{cell}</row>'.encode())
    rows.append(b'<row r="5"><c r="A5"><v>7</v></c></row>')
    found = import_bytes(raw_workbook(rows))
    assert found.frame["n"].to_list() == [None, None, None, 7]
    assert found.types == {"n": "integer"}
    (finding,) = found.result.source.findings
    assert (finding.code, finding.example) == ("error_cells", "#N/A")
    assert "3 cells" in finding.message


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        (["9007199254740993", "1"], "integer"),
        (["-9223372036854775808", "9223372036854775807"], "integer"),
        (["12345678901234567890123", "5"], "decimal"),
        (["9007199254740993", "0.5"], "text"),
        (["1e300", "5"], "float"),
    ],
)
def test_whole_numbers_are_exact(import_bytes, numbers, kind):
    rows = [b'<row r="1"><c r="A1" t="str"><v>n</v></c></row>']
    for line, number in enumerate(numbers, 2):
        rows.append(
            f'<row r="{line}"><c r="A{line}"><v>{number}</v></c></row>'.encode()
        )
    found = import_bytes(raw_workbook(rows))
    assert found.types == {"n": kind}
    if kind != "float":
        assert [str(cell) for cell in found.frame["n"]] == numbers


def test_a_repeated_header_is_kept_aside(import_bytes):
    found = import_bytes(sheet_of([["a", "b"], [1, 2], ["a", "b"], [3, 4]]))
    assert found.frame.rows() == [(1, 2), (3, 4)]
    assert [(r["line"], r["code"]) for r in found.rejects] == [(3, "repeated_header")]


def test_a_dry_run_reads_the_first_rows_and_writes_nothing(import_bytes):
    data = sheet_of([["n"], *([n] for n in range(50)), ["x"]])
    found = import_bytes(data, max_rows=10)
    assert found.result.rows == found.result.records == 10
    assert (
        found.result.sample
        == b"[" + b",".join(b'{"n":%d}' % n for n in range(10)) + b"]"
    )
    assert list(found.folder.iterdir()) == []


# --- refusals --------------------------------------------------------------------


def test_the_bytes_decide_and_a_named_format_must_agree(import_bytes):
    data = sheet_of([["a"], [1]])
    assert import_bytes(data, format="xlsx").result.rows == 1
    with pytest.raises(OtherFormat, match="workbook"):
        import_bytes(data, format="csv")
    with pytest.raises(OtherFormat, match="xlsx"):
        import_bytes(b"a,b\n1,2\n", format="xlsx")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
            + b"\x00" * 600
            + "EncryptedPackage".encode("utf-16-le"),
            "password",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "old Office"),
        (
            b"PK\x03\x04"
            + b"\x00" * 26
            + b"mimetypeapplication/vnd.oasis.opendocument.text",
            "OpenDocument",
        ),
    ],
)
def test_other_workbooks_are_refused_by_name(import_bytes, data, kind):
    with pytest.raises(UnsupportedFormat, match=f"{kind}.*XLSX.*Parquet"):
        import_bytes(data)


def test_an_archive_that_is_no_workbook_is_refused_by_name(import_bytes):
    for name, kind in (("word/document.xml", "Word"), ("ppt/x.xml", "PowerPoint")):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("[Content_Types].xml", "x")
            archive.writestr(name, "x")
        with pytest.raises(UnsupportedFormat, match=kind):
            import_bytes(file.getvalue())


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_workbook_cut_short_is_damaged(import_bytes, share):
    data = sheet_of([["a", "b"], [1, 2]])
    with pytest.raises(DamagedFile, match="XLSX"):
        import_bytes(data[: int(len(data) * share)])


def test_a_workbook_of_damaged_parts_is_damaged(import_bytes):
    with pytest.raises(DamagedFile):
        import_bytes(raw_workbook([b"<row"]))
    with pytest.raises(DamagedFile):
        import_bytes(raw_workbook([], workbook_xml=b"<workbook"))
    with pytest.raises(DamagedFile, match="entities"):
        import_bytes(
            raw_workbook([], workbook_xml=b'<!DOCTYPE x [<!ENTITY a "b">]><x/>')
        )
