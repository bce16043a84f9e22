"""Make the parts of a version and the parts that follow them of one type each column.

Rows that follow may be of a wider type than those before (prices that were whole
numbers until today), or of a narrower one. Where one of the two types holds every cell
of the other exactly, the parts of the narrower one are written again; where neither
does, the column is named and nothing is written. Runs in a sandboxed child.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from foretell.tabular.column_kinds import DECIMAL_DIGITS
from foretell.tabular.fitting_messages import (
    FitProgress,
    FitRequest,
    FitResult,
    FittedPart,
    Unfit,
)
from foretell.tabular.parts import PartWriter
from foretell.tabular.stored import StoredPart, batches, exactly

_EXACT_FLOAT = 2**53
_TEXT = pl.String()
_AS_TEXT = (pl.Boolean, pl.Int64, pl.Float64, pl.Decimal, pl.Date, pl.Time)


class _NoFit(Exception):
    """Two types of which neither holds the cells of the other."""


def fit_parts(request: FitRequest, report: Callable[[FitProgress], None]) -> FitResult:
    """Write again what has to be of another type.

    The columns of all parts have the same names; only their types are compared.
    """
    old, new = _schemas(request.old), _schemas(request.new)
    target: dict[str, pl.DataType] = {}
    unfit: list[Unfit] = []
    for name in old[0] if old else new[0]:
        before, after = _types(name, old), _types(name, new)
        try:
            target[name] = _common(name, [*before, *after], request)
            _check_exact(name, target[name], request)
        except _NoFit as error:
            unfit.append(Unfit(name, str(error)))
    if unfit:
        return FitResult(unfit=unfit)
    return FitResult(
        old=_written("old", request.old, target, request, report),
        new=_written("new", request.new, target, request, report),
        columns={name: _word(dtype) for name, dtype in target.items()},
        scales={n: d.scale for n, d in target.items() if isinstance(d, pl.Decimal)},
    )


def _schemas(paths: list[str]) -> list[Mapping[str, pl.DataType]]:
    return [pl.read_parquet_schema(path) for path in paths]


def _types(name: str, schemas: list[Mapping[str, pl.DataType]]) -> list[pl.DataType]:
    found: list[pl.DataType] = []
    for schema in schemas:
        if schema[name] not in found:
            found.append(schema[name])
    return found


def _common(name: str, types: list[pl.DataType], request: FitRequest) -> pl.DataType:
    common = types[0]
    for other in types[1:]:
        if other == common:
            continue
        if _TEXT in (common, other):
            common = _with_text(name, common, other, request)
        else:
            common = _wider(common, other)
    return common


def _with_text(
    name: str, common: pl.DataType, other: pl.DataType, request: FitRequest
) -> pl.DataType:
    """Text goes with nothing else, but where it is asked for or there is none."""
    typed = other if common == _TEXT else common
    if name in request.texts and isinstance(typed, _AS_TEXT):
        return _TEXT
    texts = request.new if common != _TEXT else request.old
    if common != _TEXT and all(_is_empty(path, name) for path in texts):
        return typed
    raise _NoFit(f"is {_word(other)}, the dataset has {_word(common)}")


def _is_empty(path: str, name: str) -> bool:
    counted = pl.scan_parquet(path).select(exactly(name).count()).collect()
    return int(counted.item()) == 0


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """The type that holds the cells of both exactly."""
    for narrow, wide in ((one, other), (other, one)):
        if isinstance(narrow, pl.Int64) and isinstance(wide, (pl.Float64, pl.Decimal)):
            return wide
        if isinstance(narrow, pl.Date) and isinstance(wide, pl.Datetime):
            return wide
    if isinstance(one, pl.Decimal) and isinstance(other, pl.Decimal):
        return pl.Decimal(DECIMAL_DIGITS, max(one.scale, other.scale))
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime):
        if (one.time_zone is None) != (other.time_zone is None):
            raise _NoFit("has timestamps of the other kind, with a zone or without")
        return one
    raise _NoFit(f"is {_word(other)}, the dataset has {_word(one)}")


def _check_exact(name: str, target: pl.DataType, request: FitRequest) -> None:
    """Refuse what only the cells can tell: integers that a float rounds, decimals of
    more digits than there are."""
    for path in (*request.old, *request.new):
        dtype = pl.read_parquet_schema(path)[name]
        if dtype == target:
            continue
        cells = pl.scan_parquet(path).select(exactly(name).alias("cell"))
        if isinstance(target, pl.Float64):
            most = cells.select(pl.col("cell").abs().max()).collect().item()
            if most is not None and int(most) > _EXACT_FLOAT:
                raise _NoFit("holds integers that a float would round")
        elif isinstance(target, pl.Decimal) and dtype != _TEXT:
            whole = 10 ** (DECIMAL_DIGITS - target.scale)
            found = cells.select(low=pl.col("cell").min(), high=pl.col("cell").max())
            row = found.collect().row(0)
            if any(cell is not None and abs(cell) >= whole for cell in row):
                raise _NoFit(
                    f"holds numbers of more than {DECIMAL_DIGITS} digits in all"
                )


def _written(
    prefix: str,
    paths: list[str],
    target: Mapping[str, pl.DataType],
    request: FitRequest,
    report: Callable[[FitProgress], None],
) -> list[FittedPart]:
    """The parts that had to be written again, by their place."""
    found = []
    for place, path in enumerate(paths):
        schema = pl.read_parquet_schema(path)
        changed = {n: d for n, d in target.items() if schema[n] != d}
        if not changed:
            continue
        casts = [_cast(exactly(n), schema[n], d).alias(n) for n, d in changed.items()]
        writer = PartWriter(
            Path(request.output), f"{prefix}-{place:05d}", part_rows=request.part_rows
        )
        empty = pl.DataFrame(schema=dict(target))
        for frame in batches([StoredPart(path, _rows(path))]):
            writer.add(frame.with_columns(casts).select(map(exactly, target)))
            report(FitProgress(writer.rows))
        found += [FittedPart(place, part) for part in writer.finish(empty)]
    return found


def _rows(path: str) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _cast(cell: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    if isinstance(target, pl.Datetime) and target.time_zone is not None:
        return cell.cast(pl.Datetime("us")).dt.replace_time_zone(target.time_zone)
    if dtype == _TEXT:  # of nothing but nulls
        return pl.lit(None, dtype=target)
    return cell.cast(target)


def _word(dtype: pl.DataType) -> str:
    return _WORDS[type(dtype)]


_WORDS: Mapping[type[pl.DataType], str] = {
    pl.Boolean: "boolean",
    pl.Int64: "integer",
    pl.Float64: "float",
    pl.Decimal: "decimal",
    pl.String: "text",
    pl.Date: "date",
    pl.Time: "time",
    pl.Datetime: "timestamp",
    pl.Duration: "duration",
    pl.Binary: "binary",
    pl.List: "list",
    pl.Struct: "struct",
}
