"""A Parquet file becomes a version: its types are kept, its claims are not believed."""

# ruff: noqa: DTZ001 - cells have no zone

import datetime as dt
import decimal
import io
import random
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foretell.errors import ForetellError
from foretell.tabular.errors import (
    BadOption,
    ColumnUnsupported,
    DamagedFile,
    InflatedTooLarge,
    TooManyColumns,
)
from foretell.tabular.messages import ImportLimits

UTC = dt.UTC
MOMENT = dt.datetime(2024, 2, 29, 8, 30, 1, 123456)


def parquet(columns: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


CASES: list[tuple[pa.DataType, list[Any], str]] = [
    (pa.int8(), [-128, 127, None], "integer"),
    (pa.int64(), [-(2**63), 2**63 - 1, None], "integer"),
    (pa.uint32(), [0, 2**32 - 1, None], "integer"),
    (pa.uint64(), [0, 2**63 - 1, None], "integer"),
    (pa.float64(), [1.5, float("inf"), None], "float"),
    (pa.float32(), [1.5, -0.25, None], "float"),
    (pa.bool_(), [True, False, None], "boolean"),
    (pa.string(), ["a", "", None], "text"),
    (pa.large_string(), ["ß漢🙂", "0042", None], "text"),
    (pa.dictionary(pa.int32(), pa.string()), ["a", "b", None], "text"),
    (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31), None], "date"),
    (pa.time64("us"), [dt.time(1, 2, 3, 4), dt.time(0), None], "time"),
    (pa.timestamp("us"), [MOMENT, dt.datetime(1, 1, 1), None], "timestamp"),
    (pa.timestamp("ms"), [dt.datetime(2024, 1, 1, 1, 1, 1, 1000), None], "timestamp"),
    (pa.duration("us"), [dt.timedelta(days=-1, microseconds=1), None], "duration"),
    (pa.binary(), [b"\x00\xff", b"", None], "binary"),
    (pa.binary(2), [b"\x00\xff", None], "binary"),
    (pa.list_(pa.int16()), [[1, None], [], None], "list"),
    (pa.list_(pa.list_(pa.string())), [[["a"], None], None], "list"),
    (pa.struct([("a", pa.int8()), ("b", pa.string())]), [{"a": 1, "b": "x"}], "struct"),
    (pa.decimal128(10, 2), [decimal.Decimal("-1.25"), None], "decimal"),
    (pa.decimal128(38, 0), [decimal.Decimal(10**38 - 1), None], "decimal"),
    (pa.null(), [None, None], "text"),
]


@pytest.mark.parametrize(
    ("type_", "cells", "kind"), CASES, ids=lambda value: str(value)[:30]
)
def test_types_and_values_are_kept(import_bytes, type_, cells, kind):
    found = import_bytes(parquet({"c": pa.array(cells, type_)}))
    assert found.types == {"c": kind}
    assert found.frame["c"].to_list() == cells
    assert (found.result.rows, found.result.records) == (len(cells), len(cells))
    assert found.result.columns[0].nullable == (None in cells)


def test_zones_become_utc_and_nanoseconds_are_cut_with_a_finding(import_bytes):
    zoned = pa.array([1_700_000_000_000_000_001], pa.timestamp("ns", "Europe/Zurich"))
    found = import_bytes(parquet({"z": zoned}))
    assert found.frame["z"].to_list() == [dt.datetime.fromtimestamp(1_700_000_000, UTC)]
    assert found.findings == ["nanoseconds_cut"]


def test_unsigned_integers_beyond_int64_are_decimals(import_bytes):
    found = import_bytes(parquet({"u": pa.array([1, 2**64 - 1], pa.uint64())}))
    assert found.types == {"u": "decimal"}
    assert [str(cell) for cell in found.frame["u"]] == ["1", str(2**64 - 1)]


def test_not_a_number_stays_one(import_bytes):
    found = import_bytes(parquet({"f": [1.0, float("nan"), None]}))
    assert found.frame["f"].is_nan().to_list() == [False, True, None]


def test_identifiers_and_maps_have_a_form(import_bytes):
    key = uuid.UUID(int=7)
    table = {
        "u": pa.array([key.bytes], pa.uuid()),
        "m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
    }
    found = import_bytes(parquet(table))
    assert found.frame.rows() == [(str(key), [{"key": "a", "value": 1}])]


def test_names_follow_the_rules_for_delimited_text(import_bytes):
    table = pa.table([[1], [2], [3], [4]], names=["a", " a ", "", "*"])
    found = import_bytes(parquet(table))
    assert found.frame.columns == ["a", "a_2", "column_3", "*"]
    assert found.frame.rows() == [(1, 2, 3, 4)]


def test_the_source_says_what_it_was(import_bytes):
    data = parquet({"a": [1]})
    source = import_bytes(data).result.source
    assert (source.format, source.bytes) == ("parquet", len(data))


def test_an_empty_table_has_its_columns(import_bytes):
    found = import_bytes(
        parquet({"a": pa.array([], pa.int32()), "b": pa.array([], pa.string())})
    )
    assert (found.types, found.result.rows) == ({"a": "integer", "b": "text"}, 0)


def test_many_row_groups_are_one_table(import_bytes):
    table = {"n": list(range(10_000)), "t": [f"x{n % 7}" for n in range(10_000)]}
    found = import_bytes(parquet(table, row_group_size=999))
    assert found.frame["n"].to_list() == table["n"]
    assert found.progress[-1].rows == 10_000


def test_a_dry_run_reads_the_first_rows(import_bytes):
    found = import_bytes(parquet({"n": list(range(5000))}), max_rows=1000)
    assert found.result.rows == 1000
    assert found.result.sample is not None
    assert list(found.folder.iterdir()) == []


# --- options ---------------------------------------------------------------------


def test_a_forced_type_sends_what_does_not_fit_to_the_rejects(import_bytes):
    table = {"k": list(range(1, 6)), "n": ["5", "007", "x", None, "1.5"]}
    found = import_bytes(parquet(table), types={"n": "integer"})
    assert found.frame.rows() == [(1, 5), (2, 7), (4, None)]
    assert [(r["line"], r["column"], r["raw"]) for r in found.rejects] == [
        (3, "n", '{"k":3,"n":"x"}'),
        (5, "n", '{"k":5,"n":"1.5"}'),
    ]
    assert found.result.rows + found.result.rejects == found.result.records


def test_columns_may_be_forced_from_any_type(import_bytes):
    day = dt.date(2024, 1, 2)
    table = {
        "i": [1.0, 2.0],
        "s": [1, 2],
        "d": pa.array(
            [dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2)], pa.timestamp("us")
        ),
        "b": [1, 0],
        "z": pa.array([MOMENT, MOMENT], pa.timestamp("us", "UTC")),
    }
    types = {"i": "integer", "s": "text", "d": "date", "b": "boolean", "z": "timestamp"}
    found = import_bytes(parquet(table), types=types)
    assert found.rejects == []
    zoned = MOMENT.replace(tzinfo=UTC)
    assert found.frame.rows() == [
        (1, "1", day, True, zoned),
        (2, "2", day, False, zoned),
    ]


def test_the_option_nulls_and_an_unknown_column(import_bytes):
    assert (
        import_bytes(parquet({"t": ["a", "none"]}), nulls=["none"]).frame["t"][1]
        is None
    )
    with pytest.raises(BadOption, match=r"'z'.*'t'"):
        import_bytes(parquet({"t": ["a"]}), types={"z": "text"})


# --- hostile ---------------------------------------------------------------------


def test_bytes_that_are_no_text_reject_their_row(import_bytes):
    offsets, data = (0, 2, 4, 5), b"\xff\xfeabc"
    buffers = [None, pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(data)]
    texts = pa.Array.from_buffers(pa.string(), 3, buffers)
    table = pa.table({"k": [1, 2, 3], "t": texts, "u": texts.dictionary_encode()})
    found = import_bytes(parquet(table, use_dictionary=False), types={"k": "text"})
    assert found.frame.rows() == [("2", "ab", "ab"), ("3", "c", "c")]
    (reject,) = found.rejects
    assert (reject["line"], reject["column"], reject["code"]) == (
        1,
        "t",
        "bad_encoding",
    )


@pytest.mark.parametrize(
    "type_",
    [pa.decimal256(60, 2), pa.list_(pa.decimal256(60, 2)), pa.list_(pa.binary())],
    ids=["decimal256", "nested", "bytes in a list"],
)
def test_a_type_that_cannot_be_stored_is_refused_by_column(import_bytes, type_):
    with pytest.raises(ColumnUnsupported, match="'odd'"):
        import_bytes(parquet({"odd": pa.array([None], type_)}))


def test_a_moment_beyond_all_calendars_is_refused(import_bytes):
    with pytest.raises(DamagedFile, match="'m'"):
        import_bytes(parquet({"m": pa.array([2**62], pa.timestamp("ms"))}))


def test_too_many_columns_are_refused(import_bytes):
    with pytest.raises(TooManyColumns):
        import_bytes(
            parquet({f"c{n}": [1] for n in range(30)}), limits=ImportLimits(columns=20)
        )


@pytest.mark.slow
def test_a_small_file_of_a_large_table_is_refused(import_bytes):
    data = parquet({"t": pa.array(["x" * 1_000_000] * 1_200).dictionary_encode()})
    assert len(data) < 2_000_000
    with pytest.raises(InflatedTooLarge):
        import_bytes(data)
    zeros = pa.array([0], pa.int64()).take(pa.array([0] * 1_000_000))
    many = parquet(pa.table({f"c{n}": zeros for n in range(150)}))
    with pytest.raises(InflatedTooLarge):
        import_bytes(many)


def test_a_file_that_is_cut_short_or_changed_fails_with_the_reason(import_bytes):
    data = parquet({"a": list(range(1000)), "t": [str(n) for n in range(1000)]})
    with pytest.raises(DamagedFile, match="Parquet"):
        import_bytes(b"PAR1\x15\x04")
    for share in (0.2, 0.5, 0.99):
        with pytest.raises(DamagedFile):
            import_bytes(data[: int(len(data) * share)])


def test_a_long_cell_rejects_its_row(import_bytes):
    table = {"k": [1, 2], "t": ["x" * 2000, "y"]}
    found = import_bytes(parquet(table), limits=ImportLimits(cell_bytes=1000))
    assert found.frame.rows() == [(2, "y")]
    assert [(r["line"], r["code"]) for r in found.rejects] == [(1, "cell_too_large")]


def test_random_damage_never_loses_a_row_without_a_word(import_bytes):
    """Either the file is refused, or rows and rejects are all of its records."""
    random_ = random.Random(11)  # noqa: S311 - repeatable, not secret
    data = bytearray(
        parquet({"a": list(range(500)), "t": ["é"] * 500}, compression="none")
    )
    for _ in range(40):
        damaged = bytearray(data)
        for _ in range(3):
            damaged[random_.randrange(4, len(damaged) - 8)] = random_.randrange(256)
        try:
            found = import_bytes(bytes(damaged))
        except ForetellError:
            continue
        result = found.result
        assert result.rows + result.rejects == result.records
