"""Blocks of typed cells on their way into a version: forced types, limits, rejects.

Shared by every format whose cells have types of their own. The rows of a block come
out as stored rows and rejects, and together they are all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from foretell.core.columns import Column
from foretell.tabular.forced_columns import ForcedColumns, TypedCells
from foretell.tabular.messages import CellError, ImportLimits
from foretell.tabular.profiling import column_type
from foretell.tabular.rejects import Reject
from foretell.tabular.version_output import VersionOutput


@dataclass(slots=True)
class TypedRows:
    """Consecutive rows of a table.

    Attributes:
        columns: Each column as it is stored; None where the caller forced a type.
        forced: The cells of the forced columns, by place.
        lines, ordinals: Where each row stands, and which record it is, from 1.
        raw: Gives a row as text, for the rejects.
        rejects: Records between these rows that are known to be none.
    """

    columns: Sequence[pl.Series | None]
    forced: TypedCells
    lines: Sequence[int]
    ordinals: Sequence[int]
    raw: Callable[[int], str]
    rejects: list[Reject] = field(default_factory=list)


class TypedTable:
    """Writes the blocks of one table, in one pass or two.

    Args:
        dtypes: The stored type of each column that is not forced, by place.
    """

    def __init__(
        self,
        names: list[str],
        forced: ForcedColumns,
        dtypes: dict[int, pl.DataType],
        limits: ImportLimits,
    ) -> None:
        self._names = names
        self._forced = forced
        self._dtypes = dtypes
        self._limits = limits
        self._nulls_seen = [False] * len(names)

    @property
    def holds(self) -> bool:
        """Whether the types of this pass held; if not, another pass is due."""
        return self._forced.holds

    def restart(self) -> None:
        """Begin a second pass with what the first one found."""
        self._forced.restart()
        self._nulls_seen = [False] * len(self._names)

    def add(self, rows: TypedRows, output: VersionOutput) -> None:
        """Write the rows of one block that are rows, and the rejects."""
        found = list(rows.rejects)
        typed = self._forced.take(rows.forced) if self._forced else None
        bad = set(typed.bad_rows) if typed else set()
        for row in self._too_large(rows, bad):
            bad.add(row)
            limit = self._limits.cell_bytes
            reason = f"A cell is longer than {limit} bytes."
            found.append(_reject(rows, row, "cell_too_large", reason))
        if typed is not None:
            for row, errors, suggestion in zip(
                typed.bad_rows, typed.errors, typed.suggestions, strict=True
            ):
                found.append(_misfit(rows, row, errors, suggestion))
        if not self.holds:
            return
        found.sort(key=lambda reject: reject.record)
        output.reject(found)
        forced = typed.frame if typed else None
        output.add(self._frame(rows, forced, typed.bad_rows if typed else [], bad))

    def _frame(
        self,
        rows: TypedRows,
        forced: pl.DataFrame | None,
        misfits: Sequence[int],
        bad: set[int],
    ) -> pl.DataFrame:
        """The good rows; `forced` lacks its misfits already."""
        height = len(rows.lines)
        is_kept = _mask(height, misfits)
        cast = iter(forced.iter_columns() if forced is not None else ())
        places = {place: next(cast) for place in self._forced.places}
        columns: list[pl.Series] = []
        for place, name in enumerate(self._names):
            stored = rows.columns[place]
            series = places[place] if stored is None else stored.filter(is_kept)
            columns.append(series.alias(name))
        frame = pl.DataFrame(columns)
        if len(bad) > len(misfits):
            frame = frame.filter(_mask(height, list(bad)).filter(is_kept))
        for place, series in enumerate(frame.iter_columns()):
            self._nulls_seen[place] |= series.null_count() > 0
        return frame

    def _too_large(self, rows: TypedRows, known: set[int]) -> list[int]:
        """Rows with a text or bytes above the limit of a cell."""
        limit, found = self._limits.cell_bytes, set()
        parts = [series for cells in rows.forced.values() for series in cells]
        for series in (*parts, *(s for s in rows.columns if s is not None)):
            if isinstance(series.dtype, pl.String):
                sizes = series.str.len_bytes()
            elif isinstance(series.dtype, pl.Binary):
                sizes = series.bin.size()
            else:
                continue
            if (sizes.max() or 0) > limit:  # type: ignore[operator]
                found |= set((sizes > limit).arg_true().to_list())
        return sorted(found - known)

    def schema(self) -> dict[str, pl.DataType]:
        """The polars types of the columns, in order."""
        dtypes = {**self._dtypes, **self._forced.dtypes()}
        return {name: dtypes[place] for place, name in enumerate(self._names)}

    def columns(self) -> list[Column]:
        """The columns of the version; nullable are those that hold a null."""
        schema = self.schema()
        return [
            Column(name, column_type(schema[name]), seen)
            for name, seen in zip(self._names, self._nulls_seen, strict=True)
        ]


def _mask(height: int, without: Sequence[int]) -> pl.Series:
    index = pl.int_range(height, dtype=pl.Int64, eager=True)
    return ~index.is_in(pl.Series(without, dtype=pl.Int64).implode())


def _reject(rows: TypedRows, row: int, code: str, reason: str) -> Reject:
    return Reject(
        line=rows.lines[row],
        record=rows.ordinals[row],
        code=code,
        reason=reason,
        raw=rows.raw(row),
    )


def _misfit(
    rows: TypedRows, row: int, errors: list[CellError], suggestion: str | None
) -> Reject:
    return Reject(
        line=rows.lines[row],
        record=rows.ordinals[row],
        column=errors[0].column,
        code=errors[0].code,
        reason=errors[0].reason,
        raw=rows.raw(row),
        suggestion=suggestion,
        errors=errors,
    )
