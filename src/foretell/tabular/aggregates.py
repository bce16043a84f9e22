"""Figures of groups of rows, computed in one streaming pass.

Floats that are NaN count as missing, as in the profile and in the order of rows. Sums of
whole numbers are exact at any size; a figure of no values is null, but for counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from foretell.tabular.orders import SortKey
from foretell.tabular.stored import Parts, schema_of


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure: its name in the answer, its function, and what it is taken of.

    Attributes:
        value: `None` counts rows.
        share: Of a quantile, 0 to 1; linear between neighbours.
    """

    label: str
    function: str
    value: pl.Expr | None = None
    share: float | None = None


def aggregate(
    parts: Parts,
    keys: Mapping[str, pl.Expr],
    figures: Sequence[Figure],
    *,
    where: pl.Expr | None = None,
    sort: Sequence[SortKey] = (),
) -> pl.DataFrame:
    """Return one row a group, in the order of `sort` and then of the keys.

    Args:
        keys: What to group by, by label; without any there is one group, also of no
            rows.
        sort: By labels of keys or figures; nulls last.
    """
    prefix = _free_prefix(list(schema_of(parts)))
    scan = pl.scan_parquet([part.path for part in parts])
    scan = scan if where is None else scan.filter(where)
    named = [value.alias(f"{prefix}k{n}") for n, value in enumerate(keys.values())]
    values = [
        (f"{prefix}v{n}", figure)
        for n, figure in enumerate(figures)
        if figure.value is not None
    ]
    named += [
        figure.value.alias(name) for name, figure in values if figure.value is not None
    ]
    scan = _without_nan(scan.with_columns(named), prefix)
    dtypes = scan.collect_schema()
    measured = [
        _measured(f"{prefix}v{n}", figure, dtypes.get(f"{prefix}v{n}")).alias(
            f"{prefix}m{n}"
        )
        for n, figure in enumerate(figures)
    ]
    grouped = [f"{prefix}k{n}" for n in range(len(keys))]
    result = scan.group_by(grouped).agg(measured) if grouped else scan.select(measured)
    frame = result.collect(engine="streaming")
    frame.columns = [*keys, *(figure.label for figure in figures)]
    return _sorted(frame, sort, list(keys))


def _free_prefix(names: Sequence[str]) -> str:
    prefix = "__"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


def _without_nan(scan: pl.LazyFrame, prefix: str) -> pl.LazyFrame:
    floats = [
        name
        for name, dtype in scan.collect_schema().items()
        if name.startswith(prefix) and dtype.is_float()
    ]
    return scan.with_columns(pl.col(name).fill_nan(None) for name in floats)


def _measured(name: str, figure: Figure, dtype: pl.DataType | None) -> pl.Expr:
    if figure.value is None or dtype is None:
        return pl.len()
    cell = pl.col(name)
    if figure.function == "quantile":
        number = cell.cast(pl.Float64)
        return number.quantile(figure.share or 0.0, interpolation="linear")
    if figure.function == "sum":
        numbers = cell.cast(pl.Int128) if dtype.is_integer() else cell
        return pl.when(cell.count() > 0).then(numbers.sum())
    return _FUNCTIONS[figure.function](cell)


_FUNCTIONS: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "count": lambda cell: cell.count(),
    "distinct": lambda cell: cell.drop_nulls().n_unique(),
    "min": lambda cell: cell.min(),
    "max": lambda cell: cell.max(),
    "mean": lambda cell: cell.cast(pl.Float64).mean(),
    "median": lambda cell: cell.cast(pl.Float64).median(),
    "std": lambda cell: cell.cast(pl.Float64).std(),
    "var": lambda cell: cell.cast(pl.Float64).var(),
}


def _sorted(
    frame: pl.DataFrame, sort: Sequence[SortKey], keys: Sequence[str]
) -> pl.DataFrame:
    named = {key.column for key in sort}
    order = [*sort, *(SortKey(key) for key in keys if key not in named)]
    if not order or not frame.height:
        return frame
    places = [frame.columns.index(key.column) for key in order]
    # By place: a label such as `mean(x)` or `*` may mean something to polars.
    plain = frame.rename(
        dict(zip(frame.columns, map(str, range(frame.width)), strict=True))
    )
    plain = plain.sort(
        [str(place) for place in places],
        descending=[key.descending for key in order],
        nulls_last=True,
    )
    plain.columns = frame.columns
    return plain
