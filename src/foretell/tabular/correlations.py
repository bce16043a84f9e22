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
    chosen = names[:MAX_COLUMNS]
    found = Correlations(chosen)
    for frame in _batches(parts, chosen, where, derived) if chosen else ():
        found.add(frame)
    return found.result()


class Correlations:
    """The coefficients of some columns over rows that come block by block."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names[:MAX_COLUMNS])
        self._sums: _Sums | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Take more rows; only the named columns are looked at."""
        if frame.is_empty() or not self.names:
            return
        cells = frame.select(exactly(name).cast(pl.Float64) for name in self.names)
        rows = cells.fill_null(float("nan")).to_numpy()
        if self._sums is None:
            with np.errstate(all="ignore"):
                known = np.isfinite(rows)
                middle = np.where(known, rows, 0.0).sum(axis=0) / known.sum(axis=0)
            self._sums = _Sums(np.nan_to_num(middle, posinf=0.0, neginf=0.0))
        self._sums.add(rows)

    def result(self) -> dict[str, Any]:
        """Return `{columns, values}` as `correlations` does."""
        names = self.names
        if self._sums is None:
            return {"columns": names, "values": [[None] * len(names) for _ in names]}
        return {"columns": names, "values": self._sums.coefficients()}


def _batches(
    parts: Parts,
    names: Sequence[str],
    where: pl.Expr | None,
    derived: Sequence[pl.Expr],
) -> Iterator[pl.DataFrame]:
    for part in parts:
        for start in range(0, part.rows, _ROWS):
            scan = pl.scan_parquet(part.path).slice(start, _ROWS).with_columns(derived)
            scan = scan if where is None else scan.filter(where)
            yield scan.select(map(exactly, names)).collect()


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
