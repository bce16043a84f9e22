"""Random tables written by Python's csv come back cell for cell, in any dialect."""

import csv
import datetime as dt
import io
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from foretell.tabular import records

SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

TEXT = st.text(
    st.one_of(
        st.sampled_from(list(" \"',;|\t\nabé漢🙂=-+0")),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\ufffd"),
    ),
    max_size=12,
).map(lambda text: text)
CELLS = {
    "text": TEXT,
    "integer": st.integers(-(2**63), 2**63 - 1).map(str),
    "huge": st.integers(-(10**37), 10**37).map(str),
    "float": st.floats(allow_nan=False).map(repr),
    "boolean": st.sampled_from(["true", "false", "True"]),
    "date": st.dates(dt.date(1, 1, 1)).map(dt.date.isoformat),
    "timestamp": st.datetimes(dt.datetime.fromisoformat("1000-01-01")).map(
        lambda moment: moment.isoformat(sep=" ", timespec="microseconds")
    ),
    "code": st.integers(0, 9999).map(lambda number: f"{number:05d}"),
}


@st.composite
def tables(draw) -> tuple[list[str], list[list[str]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=2, max_size=5))
    names = [f"c{index}" for index in range(len(kinds))]
    cell = [st.one_of(CELLS[kind], st.just("")) for kind in kinds]
    return names, draw(st.lists(st.tuples(*cell).map(list), max_size=12))


DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
    }
)


def write(names: list[str], rows: list[list[str]], dialect: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, **dialect)
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()


def is_same(stored: object, written: str) -> bool:
    """Whether a stored value is what was written."""
    if stored is None:
        return written in ("", "NA", "null", "NaN", "-")
    if isinstance(stored, bool):
        return written.lower() == str(stored).lower()
    if isinstance(stored, float):
        return float(written) == stored or math.isnan(stored)
    if isinstance(stored, dt.datetime):
        return dt.datetime.fromisoformat(written) == stored
    return str(stored) == written


@given(
    table=tables(),
    dialect=DIALECTS,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
)
@SETTINGS
def test_what_csv_writes_is_read_back_cell_for_cell(
    import_bytes, table, dialect, encoding
):
    names, rows = table
    data = write(names, rows, dialect).encode(encoding)
    found = import_bytes(
        data, delimiter=dialect["delimiter"], header=True, encoding=encoding
    )
    assert found.result.rejects == 0
    assert found.frame.columns == names
    kept = found.frame.rows()
    assert len(kept) == len(rows) == found.result.rows
    for stored, written in zip(kept, rows, strict=True):
        for value, cell in zip(stored, written, strict=True):
            assert is_same(value, cell), (value, cell)


def naive_records(text: str) -> int:
    """Records of a well-formed text by the standard library's reader."""
    return sum(1 for row in csv.reader(io.StringIO(text, newline="")) if row)


FRAGMENT = st.text(st.sampled_from(list('a1,"\n')), max_size=40)


@given(text=FRAGMENT, block=st.integers(1, 9))
@example(text='"a","b\n1,"c"x\n2,3\n', block=3)
@SETTINGS
def test_rows_and_rejects_are_all_records_whatever_the_quotes(
    import_bytes, monkeypatch: pytest.MonkeyPatch, text, block
):
    data = f"h1,h2\n{text}\nend,end\n".encode()
    whole = import_bytes(data, delimiter=",", header=True)
    assert whole.result.rows + whole.result.rejects == whole.result.records
    assert whole.frame.height == whole.result.rows
    assert len(whole.rejects) == whole.result.rejects
    with monkeypatch.context() as patched:
        patched.setattr(records, "_BLOCK", block)
        pieces = import_bytes(data, delimiter=",", header=True)
    assert pieces.frame.equals(whole.frame)
    assert pieces.rejects == whole.rejects
    lines = data.decode().split("\n")
    for reject in whole.rejects:
        assert lines[reject["line"] - 1] == reject["raw"].split("\n")[0]


@given(
    cells=st.lists(
        st.one_of(
            st.integers(-(10**25), 10**25).map(str),
            st.floats(allow_nan=False).map(repr),
            st.sampled_from(["007", "1e5", "NA", "-", "x", "1.50", "", "inf", "+5"]),
        ),
        max_size=30,
    ),
    block=st.integers(8, 64),
)
@SETTINGS
def test_a_guessed_type_never_costs_a_row_or_changes_a_number(
    import_bytes, monkeypatch: pytest.MonkeyPatch, cells, block
):
    data = "id,x\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))
    with monkeypatch.context() as patched:
        patched.setattr(records, "_BLOCK", block)
        found = import_bytes(data.encode(), delimiter=",", header=True)
    assert found.result.rejects == 0
    assert found.frame.height == len(cells)
    for stored, written in zip(found.frame["x"], cells, strict=True):
        if isinstance(stored, float):
            assert float(written) == stored
        elif stored is None:
            assert written in ("", "NA", "-")
        elif found.types["x"] == "decimal":
            assert Decimal(written) == stored
        else:
            assert str(stored) == written
