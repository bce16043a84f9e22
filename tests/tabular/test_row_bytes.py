"""Rows as the bytes of an answer, and whole versions as downloads."""

import datetime as dt
import io
import math
from decimal import Decimal
from pathlib import Path

import openpyxl
import orjson
import polars as pl
import pytest

from foretell.errors import Invalid
from foretell.tabular.downloads import DOWNLOAD_FORMATS, download
from foretell.tabular.row_bytes import (
    arrow_rows,
    clip_texts,
    csv_rows,
    json_rows,
    ndjson_rows,
)
from foretell.tabular.stored import StoredPart

MOMENT = dt.datetime.fromisoformat("2024-01-02T03:04:05.000006")
FRAME = pl.DataFrame(
    {
        "i": [2**63 - 1, None],
        "f": [math.nan, 1e300],
        "m": pl.Series([Decimal("1.50"), None]).cast(pl.Decimal(38, 2)),
        "t": ['q"\\\n', "=1+1"],
        "b": [True, None],
        "d": [dt.date(2024, 1, 2), None],
        "ts": [MOMENT, None],
        "z": [MOMENT.replace(tzinfo=dt.UTC), None],
        "tm": [dt.time(1, 2, 3), None],
        "bin": [b"\x00\xff", None],
        "l": [[1, None], None],
        "s": [{"x": math.inf}, {"x": 1.0}],
        "*": [1, 2],
    }
)


def test_json_holds_every_type_in_its_public_form():
    first, second = orjson.loads(json_rows(FRAME))
    assert first == {
        "i": 2**63 - 1,
        "f": None,
        "m": "1.50",
        "t": 'q"\\\n',
        "b": True,
        "d": "2024-01-02",
        "ts": "2024-01-02T03:04:05.000006",
        "z": "2024-01-02T03:04:05.000006Z",
        "tm": "01:02:03",
        "bin": "AP8=",
        "l": [1, None],
        "s": {"x": None},
        "*": 1,
    }
    assert second["f"] == 1e300
    assert list(second) == FRAME.columns


def test_no_rows_are_an_empty_array():
    assert json_rows(FRAME.clear()) == b"[]"
    assert ndjson_rows(FRAME.clear()) == b""


def test_ndjson_has_one_row_a_line():
    lines = ndjson_rows(FRAME).splitlines()
    assert [orjson.loads(line)["*"] for line in lines] == [1, 2]


def test_csv_keeps_spreadsheets_from_running_formulas():
    cells = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "a=1", "", None]
    frame = pl.DataFrame({"=t": cells, "n": [-1.5] * len(cells)})
    text = csv_rows(frame, header=True).decode()
    back = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)
    assert back.columns == ["'=t", "n"]
    shown = ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "a=1", "", None]
    assert back["'=t"].to_list() == shown
    assert set(back["n"]) == {"-1.5"}


def test_nested_cells_are_json_in_csv():
    back = pl.read_csv(csv_rows(FRAME, header=True), infer_schema=False)
    assert back["l"].to_list() == ["[1,null]", None]
    assert orjson.loads(back["s"][1]) == {"x": 1.0}


def test_arrow_is_a_readable_stream():
    assert pl.read_ipc_stream(arrow_rows(FRAME)).equals(FRAME)


def test_long_texts_can_be_clipped():
    frame = pl.DataFrame({"t": ["abcdef", "é🙂x", None], "n": [1, 2, 3]})
    assert clip_texts(frame, 3)["t"].to_list() == ["abc…", "é🙂x", None]


@pytest.fixture
def parts(tmp_path: Path) -> list[StoredPart]:
    found = []
    for number, start in enumerate((0, 40_000)):
        path = tmp_path / f"{number}.parquet"
        pl.select(n=pl.int_range(start, start + 40_000), t=pl.lit("=x")).write_parquet(
            path
        )
        found.append(StoredPart(str(path), 40_000))
    return found


def _read(form: str, data: bytes) -> pl.DataFrame:
    match form:
        case "csv":
            return pl.read_csv(data)
        case "ndjson":
            return pl.read_ndjson(data)
        case "arrow":
            return pl.read_ipc_stream(data)
        case "xlsx":
            return _read_sheet(data)
        case _:
            return pl.read_parquet(data)


def _read_sheet(data: bytes) -> pl.DataFrame:
    head, *rows = openpyxl.load_workbook(io.BytesIO(data), read_only=True).active.values
    return pl.DataFrame(rows, schema=list(head), orient="row")


@pytest.mark.parametrize("form", DOWNLOAD_FORMATS)
def test_a_download_is_the_whole_version_in_many_chunks(parts, form):
    chunks = list(download(parts, form))
    found = _read(form, b"".join(chunks))
    assert len(chunks) >= 3
    assert found["n"].to_list() == list(range(80_000))
    assert set(found["t"]) == {"'=x" if form == "csv" else "=x"}


@pytest.mark.parametrize("form", DOWNLOAD_FORMATS)
def test_a_download_takes_columns_and_a_filter(parts, form):
    where = pl.col("n") % 40_000 == 7
    found = _read(form, b"".join(download(parts, form, columns=["n"], where=where)))
    assert found.rows() == [(7,), (40_007,)]


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
def test_a_download_of_no_rows_still_names_the_columns(parts, form):
    where = pl.col("n") < 0
    data = b"".join(download(parts, form, where=where))
    assert _read(form, data).columns == ["n", "t"]


def test_an_unknown_format_is_refused_before_the_first_chunk(parts):
    with pytest.raises(Invalid, match="docx"):
        download(parts, "docx")
