"""Whatever Python's csv writes, in any dialect and encoding, comes back or is kept aside.

Each record of a random table is a row with equal cells, or a reject with its physical
line; together they are all records. A fixed slice runs with the fast tests, many more
tables with the slow ones.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.errors import Invalid
from tests.tabular.test_importing_properties import CELLS, is_same

ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "latin-1",
    "cp1252",
    "cp1251",
    "koi8-r",
    "gbk",
    "big5",
    "shift_jis",
    "euc_kr",
)
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@dataclass(frozen=True)
class Written:
    """A table and the file that csv made of it.

    Attributes:
        lines: The physical line each row starts on.
    """

    names: list[str]
    rows: list[list[str]]
    dialect: dict[str, Any]
    encoding: str
    data: bytes
    lines: list[int]


@cache
def is_in(character: str, encoding: str) -> bool:
    if character < " " and character not in "\t\r\n":
        return False  # a file of control characters is refused as binary
    try:
        return character.encode(encoding).decode(encoding) == character
    except UnicodeError:
        return False


def encodable(text: str, encoding: str) -> str:
    return "".join(c for c in text if is_in(c, encoding))


def dialects() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "delimiter": st.sampled_from([",", ";", "\t", "|", ":", "^", "~"]),
            "quotechar": st.sampled_from(['"', "'"]),
            "quoting": st.sampled_from(
                [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]
            ),
            "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
        }
    )


def physical_lines(text: str, ends: Sequence[int], mark: str) -> list[int]:
    """The line on which each record starts, given where the one before it ends."""
    return [text.count(mark, 0, end) + 1 for end in ends]


@st.composite
def files(draw) -> Written:
    dialect, encoding = draw(dialects()), draw(st.sampled_from(ENCODINGS))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=2, max_size=5))
    # Where a bare carriage return ends lines, a line feed inside a cell ends none.
    mark = "\r" if dialect["lineterminator"] == "\r" else "\n"
    other = "\n" if mark == "\r" else "\r"
    cells = [st.one_of(CELLS[kind], st.just("")) for kind in kinds]
    rows = [
        [encodable(cell, encoding).replace(other, " ") for cell in row]
        for row in draw(st.lists(st.tuples(*cells), max_size=12))
    ]
    names = [f"c{index}" for index in range(len(kinds))]
    out, ends = io.StringIO(), []
    writer = csv.writer(out, **dialect)
    for row in [names, *rows]:
        ends.append(out.tell())
        writer.writerow(row)
    text = out.getvalue()
    lines = physical_lines(text, ends[1:], mark)
    return Written(names, rows, dialect, encoding, text.encode(encoding), lines)


def check(import_bytes, file: Written) -> None:
    """Import a file, told how it is written, and account for every record."""
    found = import_bytes(
        file.data,
        delimiter=file.dialect["delimiter"],
        quote=file.dialect["quotechar"],
        encoding=file.encoding,
        header=True,
    )
    assert found.result.rows + found.result.rejects == found.result.records
    assert found.result.records == len(file.rows)
    assert found.frame.columns == file.names
    assert found.frame.height == found.result.rows
    assert len(found.rejects) == found.result.rejects
    kept_aside = {reject["record"] - 1: reject for reject in found.rejects}
    for index, reject in kept_aside.items():
        assert reject["line"] == file.lines[index]
    kept = [row for index, row in enumerate(file.rows) if index not in kept_aside]
    for stored, written in zip(found.frame.rows(), kept, strict=True):
        for value, cell in zip(stored, written, strict=True):
            assert is_same(value, cell), (value, cell)


def check_unaided(import_bytes, file: Written) -> None:
    """Import a file without a word about it: nothing is lost, whatever was guessed.

    A file may be refused, such as one of control characters; then nothing is stored.
    """
    try:
        found = import_bytes(file.data)
    except Invalid:
        return
    assert found.result.rows + found.result.rejects == found.result.records
    assert found.frame.height == found.result.rows
    assert len(found.rejects) == found.result.rejects


@given(file=files())
@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=SUPPRESSED
)
def test_every_record_of_any_dialect_is_a_row_or_a_reject(import_bytes, file):
    check(import_bytes, file)


@given(file=files().filter(lambda file: file.rows))
@settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=SUPPRESSED
)
def test_nothing_is_lost_of_a_file_nobody_says_anything_about(import_bytes, file):
    check_unaided(import_bytes, file)


@pytest.mark.slow
@given(file=files())
@settings(max_examples=1500, deadline=None, suppress_health_check=SUPPRESSED)
def test_every_record_of_many_more_dialects_is_a_row_or_a_reject(import_bytes, file):
    check(import_bytes, file)


@pytest.mark.slow
@given(file=files().filter(lambda file: file.rows))
@settings(max_examples=700, deadline=None, suppress_health_check=SUPPRESSED)
def test_nothing_is_lost_of_many_more_such_files(import_bytes, file):
    check_unaided(import_bytes, file)
