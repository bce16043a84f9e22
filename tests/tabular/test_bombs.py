"""Files of some kilobytes that would fill memory or never end are refused soon.

Those of XLSX stand in `test_workbook_bombs`.
"""

import gzip
import io
import time
import zipfile
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foretell.errors import ForetellError, TooLarge
from foretell.tabular.errors import (
    DamagedFile,
    InflatedTooLarge,
    SheetTooLarge,
    TooManyColumns,
)
from foretell.tabular.messages import ImportLimits

from .old_workbook_bytes import binary_number, binary_row, raw_ods, xlsb
from .test_formats import archive, arrow_file, arrow_stream, zstandard

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _soon():
    started = time.process_time()
    yield
    assert time.process_time() - started < 15


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard, lambda data: archive(a=data)]
)
@pytest.mark.parametrize("kind", ["one cell", "records", "json"])
def test_a_bomb_is_stopped_at_a_hundred_times_its_size(import_bytes, pack, kind):
    data = {
        "one cell": lambda: b"0" * (80 * MIB),
        "records": lambda: b"1,2\n" * (20 * MIB),
        "json": lambda: b'{"a":1}\n' * (10 * MIB),
    }[kind]()
    with pytest.raises(InflatedTooLarge):
        import_bytes(pack(data))


def test_a_member_that_is_larger_than_it_says_is_damaged(import_bytes):
    data = archive(a=b"1,2\n" * 1000)
    lie = data.replace((4000).to_bytes(4, "little"), (40).to_bytes(4, "little"))
    with pytest.raises(DamagedFile):
        import_bytes(lie)


def test_too_many_members_are_refused(import_bytes):
    data = archive(**{f"{n}.csv": b"" for n in range(60)})
    with pytest.raises(InflatedTooLarge, match="50 files"):
        import_bytes(data, limits=ImportLimits(zip_entries=50))


def test_a_locked_archive_is_refused(import_bytes):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("a.csv", "a\n1\n")
    data = bytearray(file.getvalue())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ForetellError, match="password"):
        import_bytes(bytes(data))


def test_more_columns_than_allowed_are_refused(import_bytes):
    with pytest.raises(TooManyColumns):
        import_bytes(b",".join([b"c"] * 1_000_000) + b"\n")
    keys = b",".join(b'"k%d":1' % n for n in range(20_000))
    with pytest.raises(TooManyColumns):
        import_bytes(b"{" + keys + b"}")
    columns = pa.table({f"c{n}": [1] for n in range(10_001)})
    with pytest.raises(TooManyColumns):
        import_bytes(arrow_stream(columns))


def test_a_giant_record_is_a_reject(import_bytes):
    limits = ImportLimits(record_bytes=MIB, cell_bytes=MIB // 2)
    giant = b'{"a": "' + b"x" * (3 * MIB) + b'"}\n'
    found = import_bytes(b'{"a": "y"}\n' + giant, limits=limits)
    assert (found.result.rows, found.rejects[0]["code"]) == (1, "record_too_large")
    long = b'{"a": "' + b"x" * (MIB * 3 // 4) + b'"}\n'
    found = import_bytes(b'{"a": "y"}\n' + long, limits=limits)
    assert found.rejects[0]["code"] == "cell_too_large"
    with pytest.raises(DamagedFile, match="longer than"):
        import_bytes(b"[" + giant + b"]", limits=limits)


@pytest.mark.parametrize("text", [b'{"a":' * 100_000, b'[{"a":' + b"[" * 100_000])
def test_deep_json_is_refused(import_bytes, text):
    with pytest.raises(ForetellError):
        import_bytes(text)


def test_repeated_cells_of_a_spreadsheet_are_counted_before_it_is_opened(import_bytes):
    cell = '<table:table-cell table:number-columns-repeated="16384"'
    cell += ' office:value-type="float" office:value="1"/>'
    row = f'<table:table-row table:number-rows-repeated="1048576">{cell}'
    with pytest.raises(SheetTooLarge, match="17,179,869,184 cells"):
        import_bytes(raw_ods(("A", f"{row}</table:table-row>")))
    row = f'<table:table-row table:number-rows-repeated="900">{cell}</table:table-row>'
    with pytest.raises(TooLarge):
        import_bytes(raw_ods(*((f"T{n}", row) for n in range(40))))


def test_entities_of_a_spreadsheet_are_refused(import_bytes):
    declared = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    with pytest.raises(DamagedFile, match="entities"):
        import_bytes(raw_ods(("A", "&x;"), prolog=declared))


def test_a_far_cell_of_a_binary_workbook_is_refused(import_bytes):
    far = binary_row(1_048_575) + binary_number(16_383, 1.0)
    with pytest.raises(SheetTooLarge, match="17,179,869,184 cells"):
        import_bytes(xlsb(("S", [["a"]]), cells=far))


@pytest.mark.slow
def test_columns_of_one_value_are_counted_as_they_are_decoded(import_bytes):
    table = pa.table({"a": pa.array(["x" * 1000] * 1_500_000).dictionary_encode()})
    file = io.BytesIO()
    pq.write_table(table, file)
    for data in (file.getvalue(), arrow_file(table, "zstd")):
        with pytest.raises(InflatedTooLarge):
            import_bytes(data)


def test_damage_inside_of_a_gzip_stream_is_told(import_bytes):
    data = bytearray(gzip.compress(zlib.compress(b"a,b\n" * 50_000) * 20))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ForetellError):
        import_bytes(bytes(data))
