"""The formats beside delimited text: JSON, Arrow, other workbooks, and packings."""

import datetime
import gzip
import io
import json
import zipfile
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest

from foretell.tabular import json_records
from foretell.tabular.errors import (
    ArchiveMember,
    DamagedFile,
    EmptyFile,
    NotATable,
    OtherFormat,
    SheetNotFound,
    UnsafeArchive,
)

from .old_workbook_bytes import ods, xls, xlsb
from .workbook_bytes import workbook

DAY = datetime.date(2024, 1, 2)
ROWS: list[list[Any]] = [
    ["id", "day", "name", "ok", "x"],
    [1, DAY, "Ann", True, 1.5],
    [2, datetime.date(2025, 12, 31), "007", False, None],
]
COLUMNS = dict(zip(ROWS[0], zip(*ROWS[1:], strict=True), strict=True))
TYPES = {
    "id": "integer",
    "day": "date",
    "name": "text",
    "ok": "boolean",
    "x": "float",
}
RECORDS: list[dict[str, Any]] = [
    dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]
]


def as_json(**layout: Any) -> bytes:
    return json.dumps(RECORDS, default=str, **layout).encode()


def as_lines() -> bytes:
    lines = [json.dumps(record, default=str) for record in RECORDS]
    return "\n".join(lines).encode()


def arrow_stream(table: pa.Table) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def arrow_file(table: pa.Table, codec: str | None = None) -> bytes:
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table)
    return file.getvalue()


def zstandard(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


TABLE = pa.table(COLUMNS)
FILES = {
    "json": as_json(),
    "json, laid out": as_json(indent=2),
    "ndjson": as_lines(),
    "arrow": arrow_file(TABLE),
    "arrow, packed buffers": arrow_file(TABLE, "zstd"),
    "arrow, stream": arrow_stream(TABLE),
    "xlsx": workbook(("S", ROWS)),
    "xls": xls(("S", ROWS)),
    "xls, from 1904": xls(("S", ROWS), epoch=1904),
    "xlsb": xlsb(("S", ROWS)),
    "xlsb, from 1904": xlsb(("S", ROWS), epoch=1904),
    "ods": ods(("S", ROWS)),
}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd", "zip"])
def test_one_table_is_the_same_in_every_format_and_packing(import_bytes, form, packing):
    data = FILES[form]
    packed = {
        "plain": lambda: data,
        "gzip": lambda: gzip.compress(data),
        "zstd": lambda: zstandard(data),
        "zip": lambda: archive(**{"folder/table": data}),
    }[packing]()
    found = import_bytes(packed)
    assert found.types == TYPES
    assert found.frame.rows() == [tuple(row) for row in ROWS[1:]]
    source = found.result.source
    assert source.format == form.partition(",")[0]
    assert source.bytes == len(packed)
    if packing != "plain":
        assert source.compression == packing
    tried = import_bytes(packed, max_rows=1)
    assert (tried.result.rows, tried.result.parts) == (1, [])
    assert tried.types.keys() == TYPES.keys()


@pytest.mark.parametrize("form", ["xls", "xlsb", "ods"])
def test_a_sheet_is_chosen_by_name_or_place(import_bytes, form):
    makers: dict[str, Any] = {"xls": xls, "xlsb": xlsb, "ods": ods}
    make = makers[form]
    book = make(("Blank", [[None]]), ("One", [["a"], [1]]), ("Two", [["b"], [2]]))
    found = import_bytes(book)
    assert (found.result.source.sheet, found.frame.columns) == ("One", ["a"])
    assert found.result.source.sheets == ["Blank", "One", "Two"]
    assert import_bytes(book, sheet="Two").frame.columns == ["b"]
    assert import_bytes(book, sheet=2).frame.columns == ["b"]
    with pytest.raises(SheetNotFound, match="'Blank', 'One', 'Two'"):
        import_bytes(book, sheet="Three")


@pytest.mark.parametrize("make", [xls, xlsb, ods])
def test_a_header_below_a_title_is_found_in_every_workbook(import_bytes, make):
    rows = [["Sales 2024", None, None], [None, None, None], ["id", "n", "x"]]
    rows += [[i, f"name {i}", i / 4] for i in range(1, 6)]
    found = import_bytes(make(("S", rows)))
    assert (found.frame.columns, found.result.rows) == (["id", "n", "x"], 5)
    assert found.result.source.header == 3


def test_errors_of_a_binary_workbook_are_told(import_bytes):
    error = bytes([3, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x2A])
    found = import_bytes(xlsb(("S", [["a", "b"], [None, 1]]), cells=error))
    assert "error_cells" in found.findings
    assert found.result.source.findings[0].example == "#N/A"


# --- JSON ------------------------------------------------------------------------


def test_objects_inside_of_objects_become_columns_with_a_point(import_bytes):
    text = '{"a": {"b": 1, "c": {"d": "x"}}}\n{"a": {"b": 2}, "e": [1, {"f": 2.50}]}'
    found = import_bytes(text)
    assert found.types == {"a.b": "integer", "a.c.d": "text", "e": "text"}
    assert found.frame.rows() == [(1, "x", None), (2, None, '[1,{"f":2.50}]')]
    assert "lists_as_text" in found.findings


def test_numbers_keep_their_digits_and_texts_stay_texts(import_bytes):
    text = '[{"n": 12345678901234567890123, "t": "42", "m": 1, "e": 1E3},'
    text += '{"n": 1, "t": "7", "m": "x", "e": -0}]'
    found = import_bytes(text)
    assert found.types == {"n": "decimal", "t": "text", "m": "text", "e": "float"}
    exact = Decimal("12345678901234567890123")
    assert found.frame.rows() == [(exact, "42", "1", 1000.0), (1, "7", "x", 0.0)]
    assert "mixed_types" in found.findings


def test_a_key_with_a_point_is_not_mixed_up_with_a_nested_one(import_bytes):
    found = import_bytes('{"a.b": 1, "a": {"b": 2}}')
    assert found.frame.rows() == [(1, 2)]
    assert found.frame.columns == ["a.b", "a.b_2"]


def test_a_damaged_line_of_ndjson_costs_itself(import_bytes):
    lines = [b'{"a": 1}', b"", b'{"a": 2', b"[3]", b'{"a": "\xff"}']
    lines += [b'{"a": "\\ud800"}', b'{"a":' * 500 + b"1" + b"}" * 500, b'{"a": 8}']
    found = import_bytes(b"\n".join(lines), encoding="utf-8")
    assert found.frame.rows() == [(1,), (8,)]
    assert [(r["line"], r["code"]) for r in found.rejects] == [
        (3, "bad_json"),
        (4, "not_an_object"),
        (5, "bad_encoding"),
        (6, "bad_encoding"),
        (7, "nested_too_deeply"),
    ]
    assert found.result.records == 7


def test_a_forced_type_rejects_the_record_that_does_not_fit(import_bytes):
    data = '[{"a": "1"},\n {"a": "x"}]'
    found = import_bytes(data, types={"a": "integer"})
    assert found.frame.rows() == [(1,)]
    (reject,) = found.rejects
    assert (reject["line"], reject["column"], reject["raw"]) == (2, "a", '{"a": "x"}')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"a": 1},\n{"a": 2}', "line 2"),
        ('[{"a": 1},\n{"a": x}]', "line 2"),
        ('[{"a": 1}]\n\n"more"', "line 3"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"a": 1} {"a": 2}]', "comma"),
    ],
)
def test_other_damaged_json_is_refused_and_the_line_named(import_bytes, text, words):
    with pytest.raises(DamagedFile, match=words):
        import_bytes(text, format="json")


@pytest.mark.parametrize(
    ("text", "error"), [("[]", EmptyFile), ("[1, 2]", NotATable), ("[[1]]", NotATable)]
)
def test_json_without_objects_is_no_table(import_bytes, text, error):
    with pytest.raises(error):
        import_bytes(text, format="json")


def test_records_are_found_whatever_lies_between_two_reads(import_bytes, monkeypatch):
    monkeypatch.setattr(json_records, "_STEP", 7)
    rows = [{"id": i, "text": "x" * i, "more": {"n": [i]}} for i in range(40)]
    for indent in (None, 1):
        found = import_bytes(json.dumps(rows, indent=indent))
        assert found.frame["id"].to_list() == list(range(40))
    text = "\n".join(json.dumps(row, indent=1) for row in rows)
    assert import_bytes(text).result.rows == 40


def test_the_caller_may_insist_on_text(import_bytes):
    assert import_bytes('{"a": 1}\n', format="csv").result.source.format == "csv"
    with pytest.raises(OtherFormat):
        import_bytes(FILES["arrow"], format="json")


# --- Arrow and packings ----------------------------------------------------------


@pytest.mark.parametrize("data", [FILES["arrow"], FILES["arrow, stream"]])
def test_an_arrow_file_cut_short_is_damaged(import_bytes, data):
    with pytest.raises(DamagedFile, match="Arrow"):
        import_bytes(data[:400])


def test_arrow_offsets_that_lead_elsewhere_are_refused(import_bytes):
    true, false = b"\0\0\0\0\x07\0\0\0", b"\0\0\0\0\xff\xff\xff\x7f"
    data = arrow_file(pa.table({"a": ["seven .", "x"]}))
    assert data.count(true) == 1
    with pytest.raises(DamagedFile):
        import_bytes(data.replace(true, false))


def test_an_archive_of_several_files_lists_them(import_bytes):
    data = archive(**{"a/one.csv": b"a\n1\n", "two.csv": b"b\n2\n", "__MACOSX/x": b""})
    with pytest.raises(ArchiveMember, match=r"'a/one\.csv', 'two\.csv'") as caught:
        import_bytes(data)
    assert caught.value.context["members"] == ["a/one.csv", "two.csv"]
    assert import_bytes(data, member="two.csv").frame.columns == ["b"]
    found = import_bytes(data, member="one.csv")
    assert found.result.source.member == "a/one.csv"
    with pytest.raises(ArchiveMember, match=r"'three\.csv'"):
        import_bytes(data, member="three.csv")


def test_links_and_ways_out_refuse_the_archive(import_bytes):
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = 0o120777 << 16
    names: tuple[str | zipfile.ZipInfo, ...] = (link, "../up.csv", "/etc/up.csv")
    for name in names:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("a.csv", "a\n1\n")
            packed.writestr(name, "a\n1\n")
        with pytest.raises(UnsafeArchive):
            import_bytes(file.getvalue(), member="a.csv")


def test_folders_by_backslashes_are_folders(import_bytes):
    data = archive(**{"data\\one.csv": b"a\n1\n", "data\\.two.csv": b"b\n2\n"})
    assert import_bytes(data).frame.columns == ["a"]
    assert import_bytes(data, member="one.csv").frame.columns == ["a"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard])
def test_what_is_packed_twice_is_refused(import_bytes, pack):
    with pytest.raises(NotATable, match="inside of"):
        import_bytes(pack(gzip.compress(b"a\n1\n")))
    with pytest.raises(NotATable, match="inside of a ZIP archive"):
        import_bytes(archive(x=pack(b"a\n1\n")))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard])
def test_a_packed_file_cut_short_is_damaged(import_bytes, pack):
    data = pack("".join(f"{i * 7919 % 10_007},x\n" for i in range(9999)).encode())
    with pytest.raises(DamagedFile, match="cut short"):
        import_bytes(data[: len(data) // 2])


def test_several_zstandard_frames_are_one_file(import_bytes):
    assert import_bytes(zstandard(b"a\n1\n") + zstandard(b"2\n")).result.rows == 2
