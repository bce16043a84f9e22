"""The columns of a typed table (a workbook, Parquet) whose type the caller fixed.

Their cells go as text through the column typer, so the rules, the codes and the
suggestions are those of delimited text. A cell that does not fit rejects its row.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from foretell.core.columns import Column, ColumnType
from foretell.tabular.as_written import day_text, merged, written
from foretell.tabular.column_typer import ColumnTyper, TypedBlock
from foretell.tabular.forced_types import forced_columns
from foretell.tabular.messages import ImportOptions

TypedCells = Mapping[int, Sequence[pl.Series]]
"""Cells by the place of their column: one series, or one for each type of cell."""

_SAMPLE_ROWS = 1_000


class ForcedColumns:
    """Casts the forced columns of each block.

    Args:
        names: All columns of the table.
        sample: Cells of the first rows, by place of the column; they tell whether
            timestamps carry a zone.

    Raises:
        BadOption: A column is not in the file, or a type or format is unknown.
    """

    def __init__(
        self, names: list[str], options: ImportOptions, sample: TypedCells
    ) -> None:
        forced = forced_columns(names, options, [])
        self._options = options
        self._kinds = {names.index(name): forced[name].kind.type for name in forced}
        self.places = list(self._kinds)
        self._names = [names[place] for place in self.places]
        texts = self._texts(sample) if sample else pl.DataFrame()
        rows = [
            ["" if cell is None else cell for cell in row]
            for row in texts.head(_SAMPLE_ROWS).rows()
        ]
        self._typer = ColumnTyper(self._names, options, rows, delimiter=",")

    def __bool__(self) -> bool:
        return bool(self.places)

    @property
    def holds(self) -> bool:
        """Whether the scales of decimals held; if not, another pass is due."""
        return self._typer.holds

    def restart(self) -> None:
        """Take what the whole table has shown for a second pass."""
        self._typer.restart()

    def take(self, cells: TypedCells) -> TypedBlock:
        """Cast the forced columns of a block; `frame` holds the rows that fit."""
        return self._typer.take(self._texts(cells))

    def columns(self) -> dict[int, Column]:
        """The forced columns, by their place in the table."""
        return dict(zip(self.places, self._typer.columns(), strict=True))

    def dtypes(self) -> dict[int, pl.DataType]:
        """Their polars types, by place."""
        return dict(zip(self.places, self._typer.schema.values(), strict=True))

    def _texts(self, cells: TypedCells) -> pl.DataFrame:
        columns = zip(self.places, self._names, strict=True)
        return pl.DataFrame(
            [
                merged([self._text(part, place, name) for part in cells[place]]).alias(
                    str(index)
                )
                for index, (place, name) in enumerate(columns)
            ]
        )

    def _text(self, cells: pl.Series, place: int, name: str) -> pl.Series:
        pattern = self._options.date_format.get(name)
        is_moment = isinstance(cells.dtype, pl.Datetime)
        if pattern is None and is_moment and self._kinds[place] == ColumnType.DATE:
            return day_text(cells)
        mark = self._options.decimal or "."
        return written(cells, mark=mark, pattern=pattern)
