"""The cells of a sheet's columns, and the type that follows from all of them.

Every cell of a sheet has a type of its own, and a column may hold several. Each block
of cells is kept as one series for each type that occurs in it; when the whole sheet
has been seen, a column whose cells agree is stored as they are, and any other as
text, written as the sheet shows it. Nothing is read twice and no guess can fail.
"""

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from foretell.core.columns import ColumnType
from foretell.tabular.as_written import merged, whole, written
from foretell.tabular.column_kinds import DECIMAL_DIGITS
from foretell.tabular.messages import Finding

Cell = (
    str
    | float
    | int
    | bool
    | datetime.datetime
    | datetime.date
    | datetime.time
    | datetime.timedelta
)
CellType = Literal[
    "number", "long", "text", "boolean", "date", "timestamp", "time", "duration"
]
Cells = dict[CellType, pl.Series]
"""A block of one column: a series of full height for each type that occurs."""

_DTYPES: dict[CellType, pl.DataType] = {
    "number": pl.Float64(),
    "long": pl.Decimal(DECIMAL_DIGITS, 0),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
    "time": pl.Time(),
    "duration": pl.Duration("us"),
}
_CELL_TYPES: dict[type, CellType] = {
    float: "number",
    int: "number",
    str: "text",
    bool: "boolean",
    datetime.date: "date",
    datetime.datetime: "timestamp",
    datetime.time: "time",
    datetime.timedelta: "duration",
}


def split_cells(cells: Sequence[Cell]) -> Cells:
    """Return a column's cells apart by type; blank cells are null in each."""
    found: Cells = {}
    kinds = set(map(type, cells))
    for kind in kinds:
        name = _CELL_TYPES[kind]
        values: Iterable[Cell | None] = cells
        if kind is str:
            values = [cell or None if type(cell) is str else None for cell in cells]
        elif len(kinds) > 1:
            values = [cell if type(cell) is kind else None for cell in cells]
        series = pl.Series("", list(values), dtype=_DTYPES[name], strict=False)
        if series.null_count() < len(series):
            before = found.get(name)
            found[name] = series if before is None else merged([before, series])
    return found


def with_long_number(cells: Cells, row: int, number: int, height: int) -> Cells:
    """Put a whole number that no float holds in the place of its float."""
    if len(str(abs(number))) > DECIMAL_DIGITS:
        return cells
    long = cells.get("long", pl.Series("", [None] * height, dtype=_DTYPES["long"]))
    at = pl.Series([row], dtype=pl.UInt32)
    changed: Cells = {
        **cells,
        "long": long.scatter(at, pl.Series([number]).cast(_DTYPES["long"])),
    }
    if "number" in cells:
        changed["number"] = cells["number"].clone().scatter(at, None)
    return changed


@dataclass(slots=True)
class SheetColumn:
    """What the cells of one column have shown.

    Attributes:
        tokens: Texts that mean "no value" unless the column is text.
        nulls: Texts that mean "no value" in any column.
        types: The types of its cells; texts that are tokens do not count.
        has_tokens: Whether there are such texts.
        is_whole: Whether all numbers are whole ones of 64 bits.
        most: Size of the largest long number.
    """

    tokens: Collection[str]
    nulls: Collection[str] = ()
    types: set[CellType] = field(default_factory=set)
    has_tokens: bool = False
    is_whole: bool = True
    most: int = 0

    def take(self, cells: Cells) -> Cells:
        """Learn from a block of cells and return it without what means "no value"."""
        if self.nulls:
            cells = {kind: self._without_nulls(found) for kind, found in cells.items()}
        for kind, series in cells.items():
            if series.null_count() == len(series):
                continue
            if kind == "text" and series.drop_nulls().is_in(list(self.tokens)).all():
                self.has_tokens = True
                continue
            self.types.add(kind)
            if kind == "number":
                self._take_numbers(series)
            elif kind == "long":
                self.most = max(self.most, *map(abs, map(int, series.drop_nulls())))
        return cells

    def _without_nulls(self, cells: pl.Series) -> pl.Series:
        is_null = written(cells).is_in(list(self.nulls))
        frame = pl.DataFrame([cells.alias("c"), is_null.alias("n")])
        return frame.select(pl.when(~pl.col("n")).then(pl.col("c")))["c"]

    def _take_numbers(self, cells: pl.Series) -> None:
        if self.is_whole:
            frame = cells.alias("c").to_frame()
            self.is_whole = bool(frame.select(whole(pl.col("c")).all()).item())

    @property
    def is_blank(self) -> bool:
        """Whether no cell has a value."""
        return not self.types and not self.has_tokens

    @property
    def type(self) -> ColumnType:
        """The type that holds every cell as it is."""
        types = self.types
        if types == {"boolean"}:
            return ColumnType.BOOLEAN
        if types and types <= {"number", "long"}:
            return self._number_type()
        if types == {"date"}:
            return ColumnType.DATE
        if types and types <= {"date", "timestamp"}:
            return ColumnType.TIMESTAMP
        if types == {"time"}:
            return ColumnType.TIME
        if types and types <= {"time", "duration"}:
            return ColumnType.DURATION
        return ColumnType.TEXT

    def _number_type(self) -> ColumnType:
        if not self.is_whole:
            return ColumnType.TEXT if "long" in self.types else ColumnType.FLOAT
        is_small = self.most < 2**63
        return ColumnType.INTEGER if is_small else ColumnType.DECIMAL

    @property
    def dtype(self) -> pl.DataType:
        """The polars type of the stored column."""
        dtypes: dict[ColumnType, pl.DataType] = {
            ColumnType.BOOLEAN: pl.Boolean(),
            ColumnType.INTEGER: pl.Int64(),
            ColumnType.DECIMAL: pl.Decimal(DECIMAL_DIGITS, 0),
            ColumnType.FLOAT: pl.Float64(),
            ColumnType.DATE: pl.Date(),
            ColumnType.TIMESTAMP: pl.Datetime("us"),
            ColumnType.TIME: pl.Time(),
            ColumnType.DURATION: pl.Duration("us"),
        }
        return dtypes.get(self.type, pl.String())

    def stored(self, cells: Cells, height: int) -> pl.Series:
        """Return a block of cells as they are stored."""
        dtype = self.dtype
        if isinstance(dtype, pl.String):
            return self.texts(cells, height)
        found = [
            _as_stored(series, dtype)
            for kind, series in cells.items()
            if kind != "text"  # only tokens are left here
        ]
        return merged(found) if found else pl.Series("", [None] * height, dtype=dtype)

    def texts(self, cells: Cells, height: int) -> pl.Series:
        """Return a block of cells as text."""
        found = [written(series) for series in cells.values()]
        return (
            merged(found) if found else pl.Series("", [None] * height, dtype=pl.String)
        )

    def finding(self, name: str) -> Finding | None:
        """Return what a person should know where types meet in one column."""
        if len(self.types) < 2 or self.type != ColumnType.TEXT:
            return None
        kinds = ", ".join(sorted(self.types - {"long"}))
        return Finding(
            code="mixed_types",
            column=name,
            message=f"The column holds cells of several types ({kinds}), so it is text;"
            " fix one with the option types.",
        )


def _as_stored(cells: pl.Series, dtype: pl.DataType) -> pl.Series:
    if isinstance(cells.dtype, pl.Time) and isinstance(dtype, pl.Duration):
        return (cells.to_physical() // 1000).cast(dtype)
    if cells.dtype.is_float() and not dtype.is_float():
        return cells.cast(pl.Int64).cast(dtype)
    return cells.cast(dtype)
