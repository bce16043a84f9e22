"""The probe of `make versus`, a fixed slice of it, against Foretell alone."""

import os
import shutil
from collections.abc import Iterator

import pytest
from benchmarks.versus.__main__ import chosen, open_side
from benchmarks.versus.foretell_side import ForetellSide
from benchmarks.versus.rows import Row
from benchmarks.versus.sides import Side

SLICE = (
    *("D6", "D9", "D15", "D18", "D23", "D30", "D34"),
    *("D36", "D43", "D44", "D45", "D46", "D49", "D51", "D54"),
    *("D60", "D63", "D64", "D69", "D74", "D80", "D83", "D84"),
)
ROWS = chosen(SLICE)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def side() -> Iterator[Side]:
    if shutil.which("redis-server") is None and not os.environ.get("CI"):
        pytest.skip("no redis-server on this machine")
    with open_side(ForetellSide) as opened:
        yield opened


def test_the_slice_has_a_row_of_each_number() -> None:
    assert {row.number for row in ROWS} == set(SLICE)


@pytest.mark.parametrize("row", ROWS, ids=[row.number for row in ROWS])
def test_foretell_does_what_the_row_asks_for(side: Side, row: Row) -> None:
    seen = row.ask(side)
    assert seen.is_right, f"{row.title}: {seen.words}"
