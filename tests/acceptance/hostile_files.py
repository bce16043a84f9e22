"""Files made to exhaust, to confuse or to escape: what a public upload form gets.

Each is made in memory in a second or so and is small; what it would become is large.
"""

import gzip
import io
import json
import stat
import zipfile
import zlib
from collections.abc import Iterable
from struct import pack

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from tests.tabular.old_workbook_bytes import (
    binary_number,
    binary_row,
    compound,
    ods,
    raw_ods,
    xls,
    xlsb,
)
from tests.tabular.workbook_bytes import raw_workbook, sheet_of

MIB = 1 << 20
CSV = b"a,b\n" + b"1,2\n" * 10


# --- packed ----------------------------------------------------------------------


def archive(
    members: Iterable[tuple[zipfile.ZipInfo | str, bytes]],
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return file.getvalue()


def gzip_zeros(mib: int) -> bytes:
    """One cell of zeros, a thousand times smaller than it is."""
    packer = zlib.compressobj(9, wbits=31)
    block = b"0" * MIB
    return b"".join([*(packer.compress(block) for _ in range(mib)), packer.flush()])


def zip_zeros(mib: int) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("a.csv", "w") as member,
    ):
        for _ in range(mib):
            member.write(b"1,2\n" * (MIB // 4))
    return file.getvalue()


def zstandard(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def zstandard_wide_window() -> bytes:
    """A frame that says it needs a window of 2 GiB."""
    return b"\x28\xb5\x2f\xfd" + bytes([0x00, (31 - 10) << 3]) + b"\x01\x00\x00"


def many_gzip_members(count: int) -> bytes:
    """Empty members one after the other: nothing comes out, for ever."""
    return gzip.compress(b"") * count


def symlink() -> bytes:
    link = zipfile.ZipInfo("table.csv")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return archive([(link, b"/etc/passwd")])


def hidden_size() -> bytes:
    """A member of 70 MiB that says it has a hundred bytes."""
    data = bytearray(archive([("a.csv", b"1,2\n" * (70 * MIB // 4))]))
    for magic, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = data.index(magic)
        data[start + at : start + at + 4] = pack("<I", 100)
    return bytes(data)


def overlapping(count: int) -> bytes:
    """Members that all are the same bytes of the archive."""
    once = archive([("0.csv", b"1,2\n" * (4 * MIB))])
    directory = once.index(b"PK\x01\x02")
    end = once.index(b"PK\x05\x06")
    entry = once[directory:end]
    entries = [entry.replace(b"0.csv", b"%05d" % n) for n in range(count)]
    whole = b"".join(entries)
    tail = b"PK\x05\x06" + pack(
        "<HHHHIIH", 0, 0, count, count, len(whole), directory, 0
    )
    return once[:directory] + whole + tail


# --- workbooks -------------------------------------------------------------------

ONE = b'<row r="1"><c r="A1"><v>1</v></c></row>'
_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {chr(97 + n)} "{f"&{chr(96 + n)};" * 10}">' for n in range(1, 12)
    )
    + "]>"
)


def workbook_part(name: str, content: bytes) -> bytes:
    """A workbook one of whose parts is this."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sheet_of([["a"], ["x"]]))) as old:
        parts = {entry: old.read(entry) for entry in old.namelist()}
    parts[name] = content
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry, data in parts.items():
            packed.writestr(entry, data)
    return file.getvalue()


def laughing_sheet(external: bool = False) -> bytes:
    """A sheet whose text is an entity of 200 GB, or a file of the server."""
    head = _LAUGHS
    if external:
        head = '<!DOCTYPE w [<!ENTITY l SYSTEM "file:///etc/passwd">]>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = (
        f'{head}<worksheet xmlns="{main}"><sheetData><row r="1">'
        '<c r="A1" t="inlineStr"><is><t>x&l;</t></is></c></row></sheetData></worksheet>'
    )
    return workbook_part("xl/worksheets/sheet1.xml", sheet.encode())


def laughing_texts() -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    shared = f'{_LAUGHS}<sst xmlns="{main}"><si><t>x&l;</t></si></sst>'
    data = [b'<row r="1"><c r="A1" t="s"><v>0</v></c></row>']
    whole = raw_workbook(data)
    return _replaced(whole, "xl/sharedStrings.xml", shared.encode())


def laughing_list() -> bytes:
    """The list of sheets declares them."""
    whole = raw_workbook([ONE])
    with zipfile.ZipFile(io.BytesIO(whole)) as old:
        listed = old.read("xl/workbook.xml")
    listed = _LAUGHS.encode() + listed.replace(b'name="S"', b'name="&l;"')
    return _replaced(whole, "xl/workbook.xml", listed)


def _replaced(data: bytes, name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.namelist():
            new.writestr(entry, content if entry == name else old.read(entry))
    return file.getvalue()


def far_cell(prefix: str = "") -> bytes:
    p = f"{prefix}:" if prefix else ""
    rows = "".join(
        f'<{p}row r="{row}"><{p}c r="{column}{row}"><{p}v>1</{p}v></{p}c></{p}row>'
        for row, column in ((1, "A"), (1_048_576, "XFD"))
    )
    if not prefix:
        return raw_workbook([rows.encode()])
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = (
        f'<{p}worksheet xmlns:{prefix}="{main}"><{p}sheetData>{rows}'
        f"</{p}sheetData></{p}worksheet>"
    )
    return workbook_part("xl/worksheets/sheet1.xml", sheet.encode())


def far_dimension() -> bytes:
    """A small sheet that says it is as large as sheets can be."""
    whole = sheet_of([["a"], [1]])
    with zipfile.ZipFile(io.BytesIO(whole)) as old:
        sheet = old.read("xl/worksheets/sheet1.xml")
    assert b'<dimension ref="A1:A2"' in sheet
    said = sheet.replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"')
    return _replaced(whole, "xl/worksheets/sheet1.xml", said)


def beyond_the_last_column() -> bytes:
    """A cell in column XFE, the 16,385th, beside one in A."""
    return raw_workbook(
        [b'<row r="1"><c r="A1"><v>1</v></c><c r="XFE1"><v>1</v></c></row>']
    )


def wide_sheet(columns: int) -> bytes:
    cells = b"<c><v>1</v></c>" * columns
    return raw_workbook([b'<row r="1">' + cells + b"</row>"])


def shared_texts(mib: int) -> bytes:
    return raw_workbook([ONE], shared=[b"<si><t>", *[b"x" * MIB] * mib, b"</t></si>"])


def one_text_many_times(times: int) -> bytes:
    """A long shared text that every cell of a long sheet shows."""
    shared = [b"<si><t>", b"x" * 1_000_000, b"</t></si>"]
    row = b'<row><c t="s"><v>0</v></c></row>'
    return raw_workbook([row * times], shared=shared)


def long_cell(mib: int) -> bytes:
    cell = [b'<row r="1"><c r="A1" t="inlineStr"><is><t>', *[b"0" * MIB] * mib]
    return raw_workbook([*cell, b"</t></is></c></row>"])


def many_rows(rows: int) -> bytes:
    thousand = b"<row><c><v>1</v></c></row>" * 1000
    return raw_workbook([thousand] * (rows // 1000))


def many_merges(count: int) -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    merged = b'<mergeCell ref="A1:XFD1048576"/>' * count
    sheet = b'<worksheet xmlns="%s"><sheetData>%s</sheetData><mergeCells>%s' % (
        main.encode(),
        ONE,
        merged,
    )
    return workbook_part(
        "xl/worksheets/sheet1.xml", sheet + b"</mergeCells></worksheet>"
    )


def spaces_of_a_spreadsheet() -> bytes:
    """Four thousand million spaces, in a number."""
    cell = (
        '<table:table-cell office:value-type="string"><text:p>a'
        '<text:s text:c="4000000000"/></text:p></table:table-cell>'
    )
    return raw_ods(("A", f"<table:table-row>{cell}</table:table-row>" * 3))


def repeated_cells() -> bytes:
    cell = '<table:table-cell table:number-columns-repeated="16384"'
    cell += ' office:value-type="float" office:value="1"/>'
    row = f'<table:table-row table:number-rows-repeated="1048576">{cell}'
    return raw_ods(("A", f"{row}</table:table-row>"))


def laughing_spreadsheet(external: bool = False) -> bytes:
    declared = _LAUGHS
    if external:
        declared = '<!DOCTYPE a [<!ENTITY l SYSTEM "file:///etc/passwd">]>'
    row = '<table:table-row><table:table-cell office:value-type="string">'
    row += "<text:p>&l;</text:p></table:table-cell></table:table-row>"
    return raw_ods(("A", row), prolog=declared)


def far_binary_cell() -> bytes:
    far = binary_row(1_048_575) + binary_number(16_383, 1.0)
    return xlsb(("S", [["a"]]), cells=far)


def counted_binary_texts() -> bytes:
    """A binary workbook whose list of texts says it has four thousand million."""
    whole = xlsb(("S", [["a"], ["b"]]))
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(whole)) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
        new.writestr(
            "xl/sharedStrings.bin", b"\x9f\x01\x08" + pack("<II", 2**32 - 1, 2**32 - 1)
        )
    return file.getvalue()


def circular_compound() -> bytes:
    """An old workbook whose sectors follow one another in a circle."""
    data = bytearray(xls(("S", [[n, "x"] for n in range(2_000)])))
    start = 512 + 4 * 10
    data[start : start + 4] = pack("<I", 5)
    return bytes(data)


def circular_folder() -> bytes:
    """The folder's sector follows itself."""
    data = bytearray(xls(("S", [[1, 2]])))
    data[512 + 4 : 512 + 8] = pack("<I", 1)
    return bytes(data)


def circular_tables() -> bytes:
    """The table of tables follows itself."""
    data = bytearray(xls(("S", [[1, 2]])))
    data[68:76] = pack("<II", 0, 1000)
    data[512 + 4 * 127 : 512 + 4 * 128] = pack("<I", 0)
    return bytes(data)


def far_old_cell() -> bytes:
    """A BIFF8 cell in the last row and column that two bytes can name, and a sheet
    that says it is four thousand million rows."""
    return xls(("S", [[1]]), more=_biff_number(65_535, 65_535, 1.0))


def _biff_number(y: int, x: int, number: float) -> bytes:
    return pack("<HH", 0x0203, 14) + pack("<HHHd", y, x, 0, number)


def shared_text_of_an_old_workbook() -> bytes:
    """A list of texts that says it has four thousand million, in eight bytes."""
    table = pack("<HH", 0x00FC, 8) + pack("<II", 2**32 - 1, 2**32 - 1)
    return xls(("S", [[1]]), head=table)


def repeated_old_texts(cells: int) -> bytes:
    """One text of 8,000 letters that every cell of the workbook shows."""
    text = b"x" * 8_000
    table = pack("<II", cells, 1) + pack("<HB", len(text), 0) + text
    head = pack("<HH", 0x00FC, len(table)) + table
    shown = b"".join(
        pack("<HH", 0x00FD, 10) + pack("<HHHI", n % 65_536, n // 65_536, 0, 0)
        for n in range(cells)
    )
    return xls(("S", [[1]]), head=head, more=shown)


def macros() -> bytes:
    """A workbook with a macro project, as XLSM has it."""
    return workbook_part("xl/vbaProject.bin", compound(b"VBA", b"Sub Auto_Open()"))


# --- text ------------------------------------------------------------------------


def long_field(mib: int) -> bytes:
    return b'a,b\n1,x\n2,"' + b"y" * (mib * MIB) + b'"\n3,z\n'


def unclosed_quote(mib: int) -> bytes:
    return b'a,b\n1,"x\n' + b"2,y\n" * (mib * MIB // 4)


def wide_header(columns: int) -> bytes:
    names = b",".join(b"c%d" % n for n in range(columns))
    return names + b"\n" + b",".join([b"1"] * columns) + b"\n"


def wide_then_short(columns: int, rows: int) -> bytes:
    """A wide header above many rows of one cell."""
    return wide_header(columns) + b"1\n" * rows


def with_nul() -> bytes:
    return b"a,b\n1,x\n2,y\x00y\n3,z\n"


def quotes(mib: int) -> bytes:
    """Nothing but quotes."""
    return b"a,b\n" + b'"' * (mib * MIB) + b"\n"


def delimiters(mib: int) -> bytes:
    return b"a,b\n1,2\n" + b"," * (mib * MIB) + b"\n"


# --- JSON ------------------------------------------------------------------------


def wide_then_empty(columns: int, rows: int) -> bytes:
    """One object of many keys, then many of none."""
    wide = json.dumps({f"k{n}": 1 for n in range(columns)}).encode()
    return wide + b"\n" + b"{}\n" * rows


def new_keys(rows: int) -> bytes:
    """Each object brings keys of its own."""
    return b"".join(b'{"k%d":1,"m%d":2}\n' % (n, n) for n in range(rows))


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def nested_line(depth: int) -> bytes:
    return b'{"a":1}\n' + nested(depth) + b'\n{"a":2}\n'


def long_line(mib: int) -> bytes:
    return b'{"a":"x"}\n{"a":"' + b"y" * (mib * MIB) + b'"}\n{"a":"z"}\n'


def long_number(digits: int) -> bytes:
    return b'{"a":1}\n{"a":' + b"9" * digits + b"}\n"


# --- columns ---------------------------------------------------------------------


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def arrow_stream(*batches: pa.RecordBatch) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return file.getvalue()


def arrow_file(batch: pa.RecordBatch) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    return file.getvalue()


def endless_nulls() -> bytes:
    """A column that takes no byte and says it has 2^40 rows."""
    few, many = 7_654_321, 1 << 40
    data = arrow_stream(pa.record_batch([pa.nulls(few)], names=["a"]))
    assert data.count(pack("<q", few)) >= 2
    return data.replace(pack("<q", few), pack("<q", many))


def endless_runs() -> pa.RecordBatch:
    """A value that is repeated 2^31 times by its run's end."""
    ends = pa.array([2**31 - 1], pa.int32())
    runs = pa.RunEndEncodedArray.from_arrays(ends, pa.array(["x" * 1000]))
    return pa.record_batch([runs], names=["a"])


def parquet_of_one_value(rows: int, size: int = 1000) -> bytes:
    """A text that a dictionary has once and every row shows."""
    one = pa.array(["x" * size])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), one)
    return parquet(pa.table({"a": column}))


def parquet_of_nulls(rows: int, columns: int) -> bytes:
    column = pa.nulls(rows, pa.int64())
    return parquet(pa.table({f"c{n}": column for n in range(columns)}))


def parquet_that_claims(rows: int) -> bytes:
    """The footer says it has more rows than there are."""
    data = bytearray(parquet(pa.table({"a": pa.nulls(3, pa.int64())})))
    size = int.from_bytes(data[-8:-4], "little")
    at = data.index(b"\x16\x06", len(data) - 8 - size)  # zig-zag 3, of num_rows
    claimed = b"\x16" + _zig_zag(rows)
    size += len(claimed) - 2
    changed = data[:at] + claimed + data[at + 2 : -8]
    return bytes(changed) + pack("<I", size) + b"PAR1"


def _zig_zag(number: int) -> bytes:
    found, rest = bytearray(), number << 1
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


def deep_columns(depth: int) -> bytes:
    kind: pa.DataType = pa.int64()
    for _ in range(depth):
        kind = pa.struct([("a", kind)])
    batch = pa.record_batch([pa.nulls(1, kind)], names=["a"])
    return arrow_stream(batch)


def wide_columns(columns: int) -> bytes:
    return arrow_stream(
        pa.record_batch([[1]] * columns, names=[f"c{n}" for n in range(columns)])
    )


def spreadsheet() -> bytes:
    return ods(("S", [["a"], [1]]))
