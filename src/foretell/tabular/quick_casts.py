"""Casts and their proofs for whole blocks, where `column_kinds` would cost too much.

The rules are those of `column_kinds`: the same value, and the same answer to whether
it says all that the cell says; tests compare the two on random cells. What makes it
quick is what need not be looked at: the length of an integer's cell says whether it
is written in the only way there is, a float's first bytes whether it has a needless
zero, and a fixed number of digits lets polars take timestamps apart without a
grammar (a sixth of the time).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.core.columns import ColumnType
from foretell.tabular.column_kinds import FORMATS, Kind, cast, fits

Judge = Callable[[pl.Expr, pl.Expr, Kind], pl.Expr]
Counts = dict[str, int]

_FRACTION = "%S%.f"
_WHOLE_SECONDS = len("2000-01-01T00:00:00")
_FRACTIONS = {0: "%S", 4: "%S.%3f", 7: "%S.%6f"}  # by the bytes after the seconds
_PEEK = 64
_PLAIN = r"^-?(?:0|[1-9][0-9]*)(?:{point}[0-9]*)?$"  # nearly every number is so
# The least whole number of n digits, at n; 19 digits are the most that 64 bits hold.
_LEAST: NDArray[np.uint64] = np.array(
    [0, 0, *(10**n for n in range(1, 19)), 2**64 - 1], dtype=np.uint64
)


def cast_block(text: pl.DataFrame, kinds: dict[str, Kind]) -> pl.DataFrame:
    """Return the values of text cells as their kinds; null where a cell is of another.

    Args:
        text: Text cells, null where there is none.
        kinds: Kinds of the columns wanted, by name; none of them text.
    """
    quick = {n: _quick_kind(text[n], kind) for n, kind in kinds.items()}
    values = text.select(
        _quick_cast(pl.col(name), kind).alias(name) for name, kind in quick.items()
    )
    missed = [
        name
        for name, kind in kinds.items()
        if quick[name] is not kind
        and values[name].null_count() > text[name].null_count()
    ]
    if missed:
        values = values.with_columns(
            text.select(cast(pl.col(name), kinds[name]).alias(name) for name in missed)
        )
    return values


def _quick_kind(cells: pl.Series, kind: Kind) -> Kind:
    """The kind with as many digits of a second as the first cells have."""
    is_iso = (kind.format or "").startswith("%Y-%m-%d")
    if kind.type != ColumnType.TIMESTAMP or kind.has_zone or not is_iso:
        return kind
    start, found, rest = (kind.format or "").partition(_FRACTION)
    first = cells.head(_PEEK).drop_nulls()
    if not found or rest or first.is_empty():
        return kind
    digits = _FRACTIONS.get(len(first[0]) - _WHOLE_SECONDS)
    return kind if digits is None else Kind(kind.type, format=start + digits)


def _quick_cast(cell: pl.Expr, kind: Kind) -> pl.Expr:
    if kind.type == ColumnType.TIMESTAMP and kind.format not in FORMATS:
        return cell.str.to_datetime(
            kind.format, time_unit="us", strict=False, cache=False
        )
    if kind.type == ColumnType.DATE:
        return cell.str.to_date(kind.format, strict=False, cache=False)
    return cast(cell, kind)


@dataclass(slots=True)
class Misfits:
    """What a block's cells are like, beside the kinds of their columns.

    Attributes:
        counts: How many cells of each column are not of its kind, or say more than it.
        odd: Columns of floats where some may be infinite or have an exponent.
    """

    counts: dict[str, int]
    odd: set[str]


def find_misfits(
    text: pl.DataFrame, values: pl.DataFrame, kinds: dict[str, Kind]
) -> Misfits:
    """Compare the cells of each column with their values."""
    if not kinds or text.is_empty():
        return Misfits(dict.fromkeys(kinds, 0), set())
    both = text.select(list(kinds)).hstack(
        [values[name].alias(f"{name}:value") for name in kinds]
    )
    whole = [name for name, kind in kinds.items() if kind.type == ColumnType.INTEGER]
    counts = {name: _wordy_integers(text[name], values[name]) for name in whole}
    others = {name: kind for name, kind in kinds.items() if name not in counts}
    counts.update(_counted(both, others, _surely_fits))
    doubtful = {name: kinds[name] for name, count in counts.items() if count}
    counts.update(_counted(both, doubtful, fits))
    floats = {n for n, kind in doubtful.items() if kind.type == ColumnType.FLOAT}
    return Misfits(counts, floats)


def _counted(both: pl.DataFrame, kinds: dict[str, Kind], judge: Judge) -> Counts:
    if not kinds:
        return {}
    found = both.select(
        (
            pl.col(name).is_not_null()
            & ~judge(pl.col(name), pl.col(f"{name}:value"), kind)
        )
        .sum()
        .alias(name)
        for name, kind in kinds.items()
    )
    return {name: int(count) for name, count in found.row(0, named=True).items()}


def _surely_fits(cell: pl.Expr, value: pl.Expr, kind: Kind) -> pl.Expr:
    """A cheaper `fits` that may say no of what fits, but never yes of what does not."""
    if kind.type == ColumnType.FLOAT:
        plain = _PLAIN.format(point="," if kind.mark == "," else r"\.")
        return value.is_finite().fill_null(value=False) & cell.str.contains(plain)
    return fits(cell, value, kind)


def _wordy_integers(cells: pl.Series, values: pl.Series) -> int:
    """Count cells that are no integer, or longer than its digits and sign."""
    numbers = values.fill_null(0).to_numpy()
    sizes = cells.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    digits = np.minimum(sizes - (numbers < 0), len(_LEAST) - 1)
    fitting = np.abs(numbers).view(np.uint64) >= _LEAST[digits]
    missing = values.null_count() - cells.null_count()
    return int(np.count_nonzero(~fitting)) + missing  # no cell has no digits: it fits
