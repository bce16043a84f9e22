"""The quick casts give the values, and the verdicts, of the exact ones."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.core.columns import ColumnType
from foretell.tabular.column_kinds import FORMATS, ISO_TIMESTAMPS, Kind, cast, fits
from foretell.tabular.quick_casts import cast_block, find_misfits

NUMBERS = st.one_of(
    st.text(st.sampled_from(list("+-.,0123456789eEinfa ")), max_size=8),
    st.integers(-(2**65), 2**65).map(str),
    st.sampled_from(["-9223372036854775808", "9223372036854775808", "-0", "00", "inf"]),
    st.floats().map(repr),
)
ISO = [form for form in ISO_TIMESTAMPS if not form.has_zone]
KINDS = [
    Kind(ColumnType.INTEGER),
    Kind(ColumnType.FLOAT),
    Kind(ColumnType.FLOAT, mark=","),
    Kind(ColumnType.BOOLEAN),
]


def agrees(cells: list[str | None], kind: Kind) -> None:
    text = pl.DataFrame({"0": pl.Series(cells, dtype=pl.String)})
    values = cast_block(text, {"0": kind})
    found = find_misfits(text, values, {"0": kind})
    exact = text.select(cast(pl.col("0"), kind).alias("v"))["v"]
    frame = pl.DataFrame({"cell": text["0"], "quick": values["0"], "exact": exact})
    frame = frame.with_columns(
        fits=fits(pl.col("cell"), pl.col("exact"), kind).fill_null(value=False)
    )
    fitting = frame.filter(pl.col("fits"))
    assert fitting["quick"].equals(fitting["exact"])
    filled = frame.filter(pl.col("cell").is_not_null())
    assert found.counts["0"] == filled.height - fitting.height


@pytest.mark.parametrize("kind", KINDS)
@given(cells=st.lists(st.none() | NUMBERS, max_size=12))
@settings(max_examples=200, deadline=None)
def test_numbers_are_judged_as_exactly_as_ever(kind, cells):
    agrees(cells, kind)


@st.composite
def moments(draw) -> list[str | None]:
    """Timestamps and dates as they should be, and with a character changed."""
    form = draw(st.sampled_from([*ISO, FORMATS["%Y-%m-%d"]]))
    digits = draw(st.sampled_from([0, 3, 6, 1]))
    cells: list[str | None] = []
    for moment in draw(st.lists(st.none() | st.datetimes(), max_size=8)):
        if moment is None:
            cells.append(None)
            continue
        text = moment.strftime(form.strftime.replace("%.f", "")).rjust(10, "0")
        if "%.f" in form.strftime and digits:
            text += f".{moment.microsecond:06d}"[: digits + 1]
        if draw(st.integers(0, 4)) == 0:
            at = draw(st.integers(0, len(text) - 1))
            text = text[:at] + draw(st.sampled_from("0 9+-:T.6")) + text[at + 1 :]
        cells.append(text)
    return cells


@pytest.mark.parametrize("name", [*(f.strftime for f in ISO), "%Y-%m-%d"])
@given(cells=moments())
@settings(max_examples=200, deadline=None)
def test_moments_are_judged_as_exactly_as_ever(name, cells):
    form = FORMATS[name]
    agrees(cells, Kind(form.type, format=name))
