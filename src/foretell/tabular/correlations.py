"""How the number columns of a version move together, in one pass of bounded memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.tabular.stored import Parts, exactly

MAX_COLUMNS = 20
_ROWS = 1 << 18

Numbers = NDArray[np.float64]


def correlations(
    parts: Parts,
    names: Sequence[str],
    where: pl.Expr | None = None,
    derived: Sequence[pl.Expr] = (),
) -> dict[str, Any]:
    """Pearson's coefficients of every pair of columns.

    Args:
        names: Number columns; the first `MAX_COLUMNS` are taken.

    Returns:
        `{columns, values}`: a symmetric matrix. A pair is computed over the rows where
        both are finite numbers; null where fewer than two are, or one never changes.

    Source:
        Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", The
        American Statistician 37(3), 1983: sums about a value near the mean, here the
        mean of the first rows.
    """
    chosen = list(names[:MAX_COLUMNS])
    sums: _Sums | None = None
    for rows in _batches(parts, chosen, where, derived) if chosen else ():
        if sums is None:
            with np.errstate(all="ignore"):
                known = np.isfinite(rows)
                middle = np.where(known, rows, 0.0).sum(axis=0) / known.sum(axis=0)
            sums = _Sums(np.nan_to_num(middle, posinf=0.0, neginf=0.0))
        sums.add(rows)
    if sums is None:
        return {"columns": chosen, "values": [[None] * len(chosen) for _ in chosen]}
    return {"columns": chosen, "values": sums.coefficients()}


def _batches(
    parts: Parts,
    names: Sequence[str],
    where: pl.Expr | None,
    derived: Sequence[pl.Expr],
) -> Iterator[Numbers]:
    for part in parts:
        for start in range(0, part.rows, _ROWS):
            scan = pl.scan_parquet(part.path).slice(start, _ROWS).with_columns(derived)
            scan = scan if where is None else scan.filter(where)
            cells = scan.select(exactly(name).cast(pl.Float64) for name in names)
            frame = cells.collect()
            if frame.height:
                yield frame.fill_null(float("nan")).to_numpy()


class _Sums:
    """Sums over the rows where both columns of a pair are known, about `middle`."""

    def __init__(self, middle: Numbers) -> None:
        self._middle = middle
        size = len(middle)
        self._count, self._of_left, self._of_squares, self._of_products = (
            np.zeros((size, size)) for _ in range(4)
        )

    def add(self, rows: Numbers) -> None:
        known = np.isfinite(rows)
        with np.errstate(all="ignore"):
            cells = np.where(known, rows - self._middle, 0.0)
            flags = known.astype(np.float64)
            self._count += flags.T @ flags
            self._of_left += cells.T @ flags
            self._of_squares += (cells * cells).T @ flags
            self._of_products += cells.T @ cells

    def coefficients(self) -> list[list[float | None]]:
        with np.errstate(all="ignore"):
            left = self._of_left
            products = self._of_products - left * left.T / self._count
            squares = self._of_squares - left * left / self._count
            found = products / np.sqrt(squares * squares.T)
        found = np.clip(found, -1.0, 1.0)
        varies = (squares > 1e-12 * self._of_squares) & (squares > 0)
        is_known = np.isfinite(found) & (self._count > 1) & varies & varies.T
        return [
            [float(value) if known else None for value, known in zip(*row, strict=True)]
            for row in zip(found, is_known, strict=True)
        ]
