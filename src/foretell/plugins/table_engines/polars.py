"""The default table engine: polars on Parquet parts (docs/decisions/0009)."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from foretell.core.columns import ColumnType
from foretell.datasets.ports import (
    Counted,
    Derived,
    FileFormat,
    Grouping,
    Groups,
    Measure,
    Part,
    Position,
    RowFormat,
    RowsPage,
    RowsQuery,
    SortKey,
    Table,
)
from foretell.expressions.polars_compiler import to_polars
from foretell.expressions.typed import TypedColumn, TypedNode, column_names
from foretell.plugins.table_engines.bounds import bounds_of
from foretell.tabular import key_filters, orders, reading, row_bytes
from foretell.tabular.aggregates import Figure, aggregate
from foretell.tabular.correlations import correlations
from foretell.tabular.counting import count
from foretell.tabular.differences import Versions, diff
from foretell.tabular.downloads import download
from foretell.tabular.profiling import profile
from foretell.tabular.reject_pages import rejects_page
from foretell.tabular.row_groups import MoreGroupsNeeded
from foretell.tabular.stored import StoredPart, exactly

_REJECTS_PER_CHUNK = 5_000
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DECIMAL})

_ENCODERS: dict[RowFormat, Callable[[pl.DataFrame], bytes]] = {
    "json": row_bytes.json_rows,
    "ndjson": row_bytes.ndjson_rows,
    "csv": lambda frame: row_bytes.csv_rows(frame, header=True),
    "arrow": row_bytes.arrow_rows,
}


class PolarsEngine:
    """Implements `foretell.datasets.ports.TableEngine`."""

    filter_kind = key_filters.KIND

    def page(
        self,
        table: Table,
        query: RowsQuery,
        *,
        limit: int,
        position: Position | None,
        row_format: RowFormat,
        max_cell: int | None = None,
        most_groups: int | None = None,
    ) -> RowsPage | None:
        place = dict(position or {})
        is_backwards = bool(place.pop("backwards", False))
        found = orders.Position(**place) if place else None
        try:
            page = reading.page(
                _parts(table),
                limit=limit,
                columns=list(query.select),
                where=_condition(query.where),
                sort=_sort_keys(query.sort),
                after=None if is_backwards else found,
                before=found if is_backwards else None,
                bounds=bounds_of(query.where),
                needs=[] if query.where is None else column_names(query.where),
                most_groups=most_groups,
            )
        except MoreGroupsNeeded:
            return None
        frame = page.frame
        if max_cell is not None:
            frame = row_bytes.clip_texts(frame, max_cell)
        return RowsPage(
            _ENCODERS[row_format](frame),
            _stored(page.next, backwards=False),
            _stored(page.previous, backwards=True),
        )

    def start_at(self, row: int) -> Position | None:
        return {"values": [], "row": row - 1} if row else None

    def seek(
        self, table: Table, query: RowsQuery, share: float, *, limit: int
    ) -> Position | None:
        found = reading.seek(
            _parts(table),
            share,
            limit=limit,
            where=_condition(query.where),
            sort=_sort_keys(query.sort),
        )
        return _stored(found, backwards=False)

    def count(
        self,
        table: Table,
        where: TypedNode | None,
        derived: Derived | None = None,
        *,
        seconds: float | None = None,
        most_groups: int | None = None,
    ) -> Counted | None:
        # Derived columns hide stored ones, of which alone there are statistics.
        bounds = [b for b in bounds_of(where) if b.column not in (derived or {})]
        try:
            found = count(
                _parts(table),
                _condition(where),
                _columns(derived),
                bounds=bounds,
                seconds=seconds,
                most_groups=most_groups,
            )
        except MoreGroupsNeeded:
            return None
        return Counted(found.count, found.exact)

    def aggregate(self, table: Table, grouping: Grouping, *, limit: int) -> Groups:
        frame = aggregate(
            _parts(table),
            {key.label: _value(key.value) for key in grouping.keys},
            [_figure(measure) for measure in grouping.measures],
            where=_condition(grouping.where),
            sort=_sort_keys(grouping.sort),
        )
        return Groups(row_bytes.json_rows(frame.head(limit)), frame.height)

    def diff(
        self, old: Table, new: Table, *, key: Sequence[str], limit: int
    ) -> dict[str, Any]:
        kinds = {column.name: column.type for column in old.columns}
        common = [c.name for c in new.columns if kinds.get(c.name) is c.type]
        versions = Versions(_parts(old), _parts(new), common)
        return diff(versions, key=key, limit=limit)

    def profile(
        self, table: Table, where: TypedNode | None, derived: Derived | None = None
    ) -> dict[str, Any]:
        condition, columns = _condition(where), _columns(derived)
        found = profile(_parts(table), condition, columns)
        figures: dict[str, Any] = msgspec.to_builtins(found)
        numbers = [c.name for c in found.columns if c.type in _NUMBERS]
        related = correlations(_parts(table), numbers, condition, columns)
        return {**figures, "correlations": related}

    def filter_columns(self, where: TypedNode | None) -> Sequence[str]:
        return [bound.column for bound in bounds_of(where) if bound.values is not None]

    def key_filter(self, part: Part, column: str) -> bytes:
        return key_filters.build(str(part.path), column)

    def rejects(
        self, path: Path, *, after: int, limit: int
    ) -> tuple[bytes, int | None]:
        total = _height(path)
        body = rejects_page(str(path), start=after, limit=limit)
        end = after + limit
        return body, end if end < total else None

    def rejects_file(self, path: Path) -> Iterator[bytes]:
        rejects = pl.scan_parquet(path)
        for start in range(0, max(_height(path), 1), _REJECTS_PER_CHUNK):
            frame = rejects.slice(start, _REJECTS_PER_CHUNK).collect()
            yield row_bytes.csv_rows(frame, header=start == 0)

    def download(
        self, table: Table, query: RowsQuery, file_format: FileFormat
    ) -> Iterator[bytes]:
        return download(
            _parts(table),
            file_format,
            columns=list(query.select),
            where=_condition(query.where),
        )


def _parts(table: Table) -> list[StoredPart]:
    return [
        StoredPart(
            str(part.path),
            part.rows,
            {column: str(path) for column, path in part.filters.items()},
        )
        for part in table.parts
    ]


def _condition(where: TypedNode | None) -> pl.Expr | None:
    return None if where is None else to_polars(where)


def _value(node: TypedNode) -> pl.Expr:
    # As stored, with its zone; a name such as `*` is no pattern.
    return exactly(node.name) if isinstance(node, TypedColumn) else to_polars(node)


def _figure(measure: Measure) -> Figure:
    value = None if measure.argument is None else _value(measure.argument)
    return Figure(measure.label, measure.function, value, measure.share)


def _sort_keys(keys: Sequence[SortKey]) -> list[orders.SortKey]:
    return [orders.SortKey(key.column, key.descending) for key in keys]


def _columns(derived: Derived | None) -> list[pl.Expr]:
    return [to_polars(node).alias(name) for name, node in (derived or {}).items()]


def _stored(position: orders.Position | None, *, backwards: bool) -> Position | None:
    if position is None:
        return None
    stored = {"values": list(position.values), "row": position.row}
    return {**stored, "backwards": True} if backwards else stored


def _height(path: Path) -> int:
    rows: int = pl.scan_parquet(path).select(pl.len()).collect().item()
    return rows
