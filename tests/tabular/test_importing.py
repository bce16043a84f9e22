"""What people upload, and what becomes of it."""

import datetime as dt
import gzip
import math
from decimal import Decimal

import orjson
import polars as pl
import pyarrow.parquet as pq
import pytest

from foretell.errors import Invalid, TooLarge, UnsupportedFormat
from foretell.tabular import records
from foretell.tabular.errors import (
    BadOption,
    EmptyFile,
    HeaderWidth,
    InflatedTooLarge,
    TooManyColumns,
)
from foretell.tabular.messages import ImportLimits


def test_a_header_alone_is_a_table_of_no_rows(import_bytes):
    found = import_bytes("a,b\n")
    assert (found.result.rows, found.result.rejects) == (0, 0)
    assert found.frame.columns == ["a", "b"]
    assert found.result.parts[0].rows == 0


@pytest.mark.parametrize("data", [b"", b"\n\n\r\n"])
def test_an_empty_file_is_refused_as_empty(import_bytes, data):
    with pytest.raises(EmptyFile, match="empty"):
        import_bytes(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (bytes(range(32)) * 40, "binary"),
    ],
)
def test_what_is_no_text_is_refused_with_its_kind_named(import_bytes, data, kind):
    with pytest.raises(UnsupportedFormat, match=kind):
        import_bytes(data)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<!DOCTYPE html>\n<html></html>", "HTML"),
        ('<?xml version="1.0"?>\n<x/>', "XML"),
    ],
)
def test_markup_is_refused_with_its_kind_named(import_bytes, text, kind):
    with pytest.raises(UnsupportedFormat, match=kind):
        import_bytes(text)
    assert import_bytes(text, format="csv").result.source.format == "csv"


def test_text_that_starts_like_a_picture_is_still_text(import_bytes):
    assert import_bytes("BMI,age\n22.5,30\n").result.rows == 1


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "id,ville\n1,Genève\n2,Besançon\n"),
        ("cp1252", "id,prix\n1,5 €\n2,déjà vu\n"),
        ("utf-16", "id,ville\n1,Genève\n2,Zürich\n"),
        ("utf-16-le", "id,ville\n1,Genève\n2,Zürich\n"),
        ("utf-8-sig", "id,ville\n1,Genève\n"),
        ("utf-8", "id,ville\n1,Genève\n"),
        ("gbk", "id,城市\n1,北京市海淀区\n2,上海市浦东新区\n"),
        ("gb18030", "id,城市\n1,北京市海淀区\n2,上海市浦东新区\n"),
        ("shift_jis", "id,都市\n1,東京都です\n2,田中さんのカメラ\n"),
        ("cp1251", "id,город\n1,Москва и область\n2,Иван Петрович\n"),
        ("euc_kr", "id,도시\n1,서울특별시\n2,홍길동입니다\n"),
        ("big5", "id,城市\n1,臺北市信義區\n2,張三豐的朋友\n"),
        ("koi8-r", "id,город\n1,Москва и область\n2,Иван Петрович\n"),
    ],
)
def test_every_common_encoding_is_found(import_bytes, encoding, text):
    found = import_bytes(text.encode(encoding))
    cells = [line.split(",")[1] for line in text.splitlines()]
    assert found.frame.columns[1] == cells[0]
    assert found.frame[cells[0]].to_list() == cells[1:]
    assert found.result.source.encoding


def test_one_damaged_row_does_not_make_a_file_latin(import_bytes):
    rows = "".join(f"{n},Zürich é\n" for n in range(100)).encode()
    found = import_bytes(b"id,n\n" + rows + b"7,\xff\xfe\n8,ok\n")
    assert found.result.rows == 101
    assert [(r["line"], r["code"]) for r in found.rejects] == [(102, "bad_encoding")]


def test_a_gzip_file_is_unpacked_and_leaves_nothing_behind(import_bytes):
    found = import_bytes(gzip.compress(b"a,b\n1,x\n"))
    assert found.frame.rows() == [(1, "x")]
    assert found.result.source.compression == "gzip"
    assert [path.name for path in found.folder.iterdir()] == ["part-00000.parquet"]


def test_a_gzip_bomb_is_stopped(import_bytes):
    bomb = gzip.compress(b"a,b\n" + b"x" * (80 << 20))
    with pytest.raises(InflatedTooLarge, match="100 times"):
        import_bytes(bomb)
    with pytest.raises(TooLarge, match="more than 10 bytes"):
        import_bytes(
            gzip.compress(b"a,b\n1,2\n1,2\n"), limits=ImportLimits(inflated_bytes=10)
        )


def test_a_gzip_file_cut_short_is_refused(import_bytes):
    with pytest.raises(Invalid, match="cut short"):
        import_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 9999)[:-9])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "\x1f"])
def test_the_delimiter_is_found(import_bytes, delimiter):
    text = "id,name,city\n1,ann,Rome\n2,bob,Bern\n".replace(",", delimiter)
    found = import_bytes(text)
    assert found.result.source.delimiter == delimiter
    assert found.frame.columns == ["id", "name", "city"]


def test_decimal_commas_do_not_pass_for_delimiters(import_bytes):
    found = import_bytes("id;x;y\n1;1,5;2,25\n2;3,1;4,5\n")
    assert found.frame.rows() == [(1, 1.5, 2.25), (2, 3.1, 4.5)]
    assert found.findings == ["decimal_comma", "decimal_comma"]


def test_a_column_of_prose_is_one_column(import_bytes):
    found = import_bytes("text\nhello, world\nno comma\na, b, c\n")
    assert found.frame.rows() == [("hello, world",), ("no comma",), ("a, b, c",)]


def test_apostrophes_may_be_the_quotes(import_bytes):
    found = import_bytes("id,name\n1,'a, b'\n2,'it''s'\n")
    assert found.frame["name"].to_list() == ["a, b", "it's"]


def test_a_space_after_every_delimiter_belongs_to_it(import_bytes):
    found = import_bytes('a, b, c\n1, 2, 3\n4, "x, y", 6\n')
    assert found.frame.rows() == [(1, "2", 3), (4, "x, y", 6)]


def test_a_separator_line_of_a_spreadsheet_is_followed(import_bytes):
    found = import_bytes("sep=;\na;b\n1,2;3\n")
    assert found.frame.rows() == [(1.2, 3)]
    assert found.result.source.header == 2


def test_backslashes_may_escape_quotes(import_bytes):
    found = import_bytes(
        'id,t\n1,"say \\"hi\\" now"\n2,"x, \\"y\\""\n3,"a\nb"\n4,"""q"""\n'
    )
    assert found.frame["t"].to_list() == ['say "hi" now', 'x, "y"', "a\nb", '"q"']
    assert found.findings == ["backslash_escape"]


def test_old_line_ends_are_line_ends(import_bytes):
    found = import_bytes(b'a,b\r1,2\r3,"x\ry"\r')
    assert found.frame.rows() == [(1, "2"), (3, "x\ry")]


def test_a_title_above_the_table_is_left_out_and_reported(import_bytes):
    found = import_bytes("Sales 2024\n\nid,name\n1,a\n2,b\n3\n")
    assert found.frame.rows() == [(1, "a"), (2, "b")]
    assert found.result.source.header == 3
    assert found.findings == ["preamble"]
    assert found.rejects[0]["line"] == 6


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("1,2,3\n4,5,6\n", False),
        ("id,name\n1,a\n", 1),
        ("name,city\nann,Rome\nbob,Bern\n", 1),
        ("country,2019,2020\nCH,1.5,2.5\n", 1),
        ("ann,Rome\nann,Bern\n", False),
    ],
)
def test_a_header_is_told_from_data(import_bytes, text, header):
    assert import_bytes(text).result.source.header == header


def test_options_override_every_guess(import_bytes):
    text = "x\n# made by hand\na;b\n'1;2';3\n"
    found = import_bytes(text, skip=1, header=3, delimiter=";", quote="'")
    assert found.frame.rows() == [("1;2", 3)]
    assert import_bytes("a,b\n1,2\n", header=False).frame.columns == [
        "column_1",
        "column_2",
    ]
    plain = import_bytes('a,b\n"1,2\n', quote="", delimiter=",")
    assert plain.frame.rows() == [('"1', 2)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delimiter": ",,"}, "delimiter"),
        ({"encoding": "klingon"}, "encoding"),
        ({"decimal": ":"}, "decimal"),
        ({"header": 99}, "line 99"),
        ({"format": "dbf"}, "dbf.*xlsx"),
        ({"types": {"z": "integer"}}, "'z'.*'a', 'b'"),
        ({"types": {"a": "money"}}, "money"),
        ({"date_format": {"a": "%Q"}}, "'a'"),
    ],
)
def test_an_option_that_cannot_be_followed_is_refused(import_bytes, options, words):
    with pytest.raises(BadOption, match=words):
        import_bytes("a,b\n1,2\n", **options)


def test_column_names_are_kept_as_written_and_made_unique(import_bytes):
    found = import_bytes(" A b ,x,x,,x_2,*\n1,2,3,4,5,6\n")
    assert found.frame.columns == ["A b", "x", "x_3", "column_4", "x_2", "*"]
    assert found.frame.rows() == [(1, 2, 3, 4, 5, 6)]


# --- structure -------------------------------------------------------------------


def test_damaged_rows_are_rejected_at_their_physical_line(import_bytes):
    found = import_bytes(
        'id,name,x\n1,ann,2.5\n2,"b\nc",3\n3,d\n4,"e,5\n5,f,6,7\n6,"g"h,1\n'
        '7,\x00,1\n8,5" pipe,2\n'
    )
    assert found.frame["id"].to_list() == [1, 2, 8]
    assert found.frame["name"].to_list() == ["ann", "b\nc", '5" pipe']
    assert [(r["line"], r["record"], r["code"], r["raw"]) for r in found.rejects] == [
        (5, 3, "too_few_cells", "3,d"),
        (6, 4, "unclosed_quote", '4,"e,5'),
        (7, 5, "too_many_cells", "5,f,6,7"),
        (8, 6, "stray_quote", '6,"g"h,1'),
        (9, 7, "nul_byte", "7,\x00,1"),
    ]


def test_an_unclosed_quote_costs_only_its_line(import_bytes):
    rows = [f'{n},"text {n}",{n}.5' for n in range(500)]
    rows[100] = '100,"text 100,100.5'
    rows[499] = '499,"text,499.5'
    found = import_bytes("id,t,x\n" + "\n".join(rows) + "\n")
    assert found.result.rows == 498
    assert [reject["line"] for reject in found.rejects] == [102, 501]


def test_rows_that_all_have_one_cell_more_than_the_header_are_refused(import_bytes):
    with pytest.raises(HeaderWidth, match="2 columns, but every row has 3"):
        import_bytes("name,email\nann,a@x,paris\nbob,b@x,rome\n")


def test_one_row_with_one_cell_more_is_one_reject(import_bytes):
    found = import_bytes("name,email\nann,a@x\nbob,b@x,rome\n")
    assert found.frame.rows() == [("ann", "a@x")]
    assert found.rejects[0]["line"] == 3


def test_rows_that_all_end_in_a_delimiter_are_aligned(import_bytes):
    found = import_bytes("name,n\nann,1,\nbob,2,\ndan,4\n")
    assert found.frame.rows() == [("ann", 1), ("bob", 2), ("dan", 4)]
    assert found.findings == ["trailing_delimiter"]


def test_a_late_cell_after_the_last_delimiter_is_a_reject(import_bytes):
    text = "name,n\n" + "ann,1,\n" * 30_000 + "cy,3,x\n" + "ann,1,\n" * 30_000
    found = import_bytes(text)
    assert found.result.rows == 60_000
    assert [(r["line"], r["code"]) for r in found.rejects] == [
        (30_002, "too_many_cells")
    ]


def test_a_first_table_is_not_dropped_as_a_title(import_bytes):
    found = import_bytes("a,b\n1,2\n3,4\n" + "5,6,7\n" * 20)
    assert found.result.rows == 2
    assert found.result.rejects == 20


def test_a_repeated_header_is_a_reject_and_spoils_no_type(import_bytes):
    found = import_bytes("id,name\n1,a\nid,name\n2,b\n")
    assert found.types["id"] == "integer"
    assert [r["code"] for r in found.rejects] == ["repeated_header"]


def test_cells_rows_and_tables_beyond_the_limits_are_kept_out(
    import_bytes, monkeypatch
):
    monkeypatch.setattr(records, "_BLOCK", 64)
    limits = ImportLimits(cell_bytes=100, record_bytes=300, columns=3)
    text = f"a,b\n1,{'x' * 101}\n2,y\n3,{'z' * 1000}\n4,\"{'q' * 200}\n5,w\n"
    found = import_bytes(text, limits=limits)
    assert found.frame["a"].to_list() == [2, 5]
    assert [(r["line"], r["code"]) for r in found.rejects] == [
        (2, "cell_too_large"),
        (4, "record_too_large"),
        (5, "unclosed_quote"),
    ]
    with pytest.raises(TooManyColumns):
        import_bytes("a,b,c,d\n1,2,3,4\n", limits=limits)


# --- types -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["007", "010"], "text", ["007", "010"]),
        (["1", "-5", "0"], "integer", [1, -5, 0]),
        (["9223372036854775807"], "integer", [2**63 - 1]),
        (["12345678901234567890123", "1"], "decimal", [Decimal(10) ** 0] * 0 or None),
        (["1" * 39], "text", ["1" * 39]),
        (["9007199254740993", "0.5"], "decimal", None),
        (["1.5", "inf", "-inf"], "float", [1.5, math.inf, -math.inf]),
        (["1", "inf"], "float", [1.0, math.inf]),
        (["1e5", "12E3"], "text", ["1e5", "12E3"]),
        (["1e-05", "2.5"], "float", [1e-05, 2.5]),
        (["1e400"], "text", ["1e400"]),
        (["+41791234567"], "text", ["+41791234567"]),
        (["true", "False"], "boolean", [True, False]),
        (["yes", "no"], "text", ["yes", "no"]),
        (["2024-02-29"], "date", [dt.date(2024, 2, 29)]),
        (["2023-02-29"], "text", ["2023-02-29"]),
        (
            ["13/02/2024", "01/02/2024"],
            "date",
            [dt.date(2024, 2, 13), dt.date(2024, 2, 1)],
        ),
        (["01/02/2024", "03/04/2024"], "text", ["01/02/2024", "03/04/2024"]),
        (["2024-01-01", "x"], "text", ["2024-01-01", "x"]),
        (["10:30:00"], "time", [dt.time(10, 30)]),
        ([" 5", "6"], "text", [" 5", "6"]),
        (["1", "NA", "null", "NaN", "-"], "integer", [1, None, None, None, None]),
        (["1.5", "NaN"], "float", [1.5, None]),
        (["NA", "null"], "text", ["NA", "null"]),
        (["NA", "ann"], "text", ["NA", "ann"]),
        (["1,000", "2"], "text", ["1,000", "2"]),
    ],
)
def test_a_column_gets_the_type_that_every_cell_fits(import_bytes, cells, kind, values):
    rows = "".join(f'{n},"{cell}"\n' for n, cell in enumerate(cells))
    found = import_bytes("id,x\n" + rows, header=True)
    assert found.types["x"] == kind
    assert found.result.rejects == 0
    if values is not None:
        assert found.frame["x"].to_list() == values
    elif kind == "decimal":
        assert found.frame["x"].to_list() == [Decimal(cell) for cell in cells]


def test_timestamps_keep_their_zone_as_utc_or_have_none(import_bytes):
    found = import_bytes(
        "a,b\n2024-01-01T10:00:00Z,2024-01-01 10:00:00.5\n"
        "2024-01-01T10:00:00+02:00,2024-01-01 11:00:00\n"
    )
    assert found.types == {"a": "timestamp", "b": "timestamp"}
    assert found.frame["a"].to_list() == [
        dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 1, 8, tzinfo=dt.UTC),
    ]
    assert found.frame.schema["b"] == pl.Datetime("us")


def test_ambiguous_dates_are_asked_about(import_bytes):
    found = import_bytes("id,when\n1,01/02/2024\n2,03/04/2024\n")
    finding = found.result.source.findings[0]
    assert (finding.code, finding.column) == ("ambiguous_date", "when")
    assert finding.formats == ["%d/%m/%Y", "%m/%d/%Y"]
    told = import_bytes(
        "id,when\n1,01/02/2024\n2,03/04/2024\n", date_format={"when": "%d/%m/%Y"}
    )
    assert told.frame["when"].to_list() == [dt.date(2024, 2, 1), dt.date(2024, 4, 3)]


def test_empty_cells_are_null_quoted_or_not(import_bytes):
    found = import_bytes('a,b\n"",x\n,y\n" ",z\n')
    assert found.frame["a"].to_list() == [None, None, " "]
    assert [column.nullable for column in found.result.columns] == [True, False]


def test_the_callers_null_words_hold_in_every_column(import_bytes):
    found = import_bytes("a,b\n1,none\nnone,x\n", nulls=["", "none"])
    assert found.frame.rows() == [(1, None), (None, "x")]


def test_a_cell_deep_in_the_file_decides_the_type_without_costing_a_row(
    import_bytes, monkeypatch
):
    monkeypatch.setattr(records, "_BLOCK", 4096)
    cells = [str(n) for n in range(60_000)]
    cells[30_000] = "n/k"
    text = "id,x\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))
    found = import_bytes(text)
    assert found.types == {"id": "integer", "x": "text"}
    assert found.frame["x"].to_list() == cells
    assert {step.stage for step in found.progress} == {
        "reading",
        "reading again with the types found",
    }


def test_a_forced_type_sends_what_does_not_fit_to_the_rejects(import_bytes):
    found = import_bytes(
        'x,when,s\n1,2024-01-01,a\nabc,01/02/2024,b\n"1,000",2024-01-02,c\n'
        "99999999999999999999,2024-01-03,d\nNA,,e\n",
        types={"x": "integer", "when": "date"},
    )
    assert found.frame.rows() == [
        (1, dt.date(2024, 1, 1), "a"),
        (None, None, "e"),
    ]
    first, second, third = found.rejects
    assert (first["line"], first["column"], first["code"]) == (
        3,
        "x",
        "invalid_integer",
    )
    assert first["raw"] == "abc,01/02/2024,b"
    assert [error["code"] for error in orjson.loads(first["errors"])] == [
        "invalid_integer",
        "ambiguous_date",
    ]
    assert second["suggestion"] == "1000"
    assert third["code"] == "out_of_range"


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("integer", "007", 7),
        ("integer", "+5", 5),
        ("float", "7", 7.0),
        ("boolean", "Yes", True),
        ("decimal", "1.50", Decimal("1.50")),
        ("text", "1", "1"),
        ("timestamp", "2024-01-02", dt.datetime.fromisoformat("2024-01-02")),
        ("time", "10:30", dt.time(10, 30)),
    ],
)
def test_a_forced_type_reads_more_than_a_guessed_one(import_bytes, kind, cell, value):
    found = import_bytes(f"id,x\n1,{cell}\n", types={"x": kind}, header=True)
    assert found.frame["x"].to_list() == [value]
    assert found.types["x"] == kind


def test_forced_decimals_take_the_scale_of_the_whole_file(import_bytes, monkeypatch):
    monkeypatch.setattr(records, "_BLOCK", 64)
    text = "id,x\n" + "".join(f"{n},1.5\n" for n in range(2000)) + "1,1.2345\n"
    found = import_bytes(text, types={"x": "decimal"})
    assert found.frame["x"][-1] == Decimal("1.2345")
    assert found.result.rows == 2001


# --- output ----------------------------------------------------------------------


def test_a_dry_run_reads_the_first_rows_and_writes_nothing(import_bytes):
    text = "id,x\n" + "1,a\n" * 5 + "2\n" + "3,b\n" * 5000
    found = import_bytes(text, max_rows=10)
    assert (found.result.rows, found.result.rejects) == (9, 1)
    assert orjson.loads(found.result.sample)[0] == {"id": 1, "x": "a"}
    assert orjson.loads(found.result.rejected)[0]["line"] == 7
    assert list(found.folder.iterdir()) == []


def test_row_groups_are_small_enough_for_a_page(import_bytes):
    found = import_bytes("id,x\n" + "".join(f"{n},a\n" for n in range(70_000)))
    groups = pq.ParquetFile(found.parts[0].path).metadata
    rows = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert max(rows) <= 50_000
    assert sum(rows) == 70_000


def test_progress_ends_at_the_end_of_the_file(import_bytes):
    found = import_bytes("id,x\n1,a\n2\n")
    last = found.progress[-1]
    assert (last.done, last.total, last.rows, last.rejects) == (11, 11, 1, 1)


@pytest.mark.parametrize("odd", ["1e5", "12E+3", "inf"])
def test_a_long_integer_among_floats_with_exponents_costs_no_row(
    import_bytes, monkeypatch: pytest.MonkeyPatch, odd
):
    rows = [f"{n},{n / 4}" for n in range(60_000)]
    # Beyond what is sampled, and in blocks of their own.
    rows[40_000], rows[55_000] = f"1,{odd}", "2,12345678901234567"
    monkeypatch.setattr(records, "_BLOCK", 64 << 10)
    found = import_bytes("id,x\n" + "\n".join(rows) + "\n")
    assert (found.result.rows, found.result.rejects) == (60_000, 0)
    assert found.frame["x"][55_000] == "12345678901234567"
