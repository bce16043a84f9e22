"""Statistics of a stored version, column by column.

One column at a time is held in memory, as 8-byte numbers: a number column by its
values, a text column by 64-bit hashes of its texts. So counts are exact (two texts
sharing a hash among ten million has odds of about one in 400,000) and a version much
larger than memory can still be profiled. NaN and infinite values are left out of the
statistics and counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.core.columns import ColumnType
from foretell.tabular.stored import Parts, exactly

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 30
TOP = 20
_LONGEST_VALUE = 200


class Histogram(msgspec.Struct):
    """Counts between edges; a bin holds its lower edge, the last one both."""

    edges: list[Any]
    counts: list[int]


class TopValue(msgspec.Struct):
    """A frequent value; texts are cut at 200 characters."""

    value: Any
    count: int


class ColumnProfile(msgspec.Struct, kw_only=True):
    """What one column holds.

    Attributes:
        nulls: Cells without a value.
        nan, infinite: Float cells that are no finite number; the statistics below
            leave them out.
        distinct: Different values, nulls left out; null for nested columns.
        min, max: In the column's own type: whole numbers exact, decimals as text,
            times in ISO form.
        mean, std: Of the numbers; `std` is the sample's (n - 1), null below two.
        quantiles: Value by share, such as "0.5"; linear between neighbours for
            numbers, the lower neighbour for times.
        histogram: For numbers and times.
        top: The most frequent values, for the other types.
    """

    name: str
    type: ColumnType
    nulls: int
    nan: int = 0
    infinite: int = 0
    distinct: int | None = None
    min: Any = None
    max: Any = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, Any] | None = None
    histogram: Histogram | None = None
    top: list[TopValue] | None = None


class Profile(msgspec.Struct, kw_only=True):
    """Statistics of the rows that match."""

    rows: int
    columns: list[ColumnProfile]


def profile(
    parts: Parts, where: pl.Expr | None = None, derived: Sequence[pl.Expr] = ()
) -> Profile:
    """Compute the statistics of every column over the matching rows.

    Args:
        derived: Columns to compute first, described like stored ones.
    """
    scan = pl.scan_parquet([part.path for part in parts]).with_columns(derived)
    scan = scan if where is None else scan.filter(where)
    columns = [
        _profile_column(scan, name, dtype)
        for name, dtype in scan.collect_schema().items()
    ]
    rows = scan.select(pl.len()).collect(engine="streaming").item()
    return Profile(rows=int(rows), columns=columns)


def column_type(dtype: pl.DataType) -> ColumnType:
    """Return the public type of a polars type."""
    if dtype.is_integer():
        return ColumnType.INTEGER
    if dtype.is_float():
        return ColumnType.FLOAT
    if dtype.is_decimal():
        return ColumnType.DECIMAL
    by_class: Mapping[type[pl.DataType], ColumnType] = {
        pl.Boolean: ColumnType.BOOLEAN,
        pl.Date: ColumnType.DATE,
        pl.Time: ColumnType.TIME,
        pl.Datetime: ColumnType.TIMESTAMP,
        pl.Duration: ColumnType.DURATION,
        pl.Binary: ColumnType.BINARY,
        pl.List: ColumnType.LIST,
        pl.Array: ColumnType.LIST,
        pl.Struct: ColumnType.STRUCT,
    }
    return by_class.get(type(dtype), ColumnType.TEXT)


def _profile_column(scan: pl.LazyFrame, name: str, dtype: pl.DataType) -> ColumnProfile:
    if dtype.is_numeric() or dtype.is_temporal():
        return _profile_numbers(scan, name, dtype)
    if dtype.is_nested() or isinstance(dtype, pl.Binary):
        nulls = scan.select(exactly(name).null_count()).collect(engine="streaming")
        return ColumnProfile(
            name=name, type=column_type(dtype), nulls=int(nulls.item())
        )
    return _profile_values(scan, name, dtype)


# --- numbers and times -----------------------------------------------------------


def _profile_numbers(
    scan: pl.LazyFrame, name: str, dtype: pl.DataType
) -> ColumnProfile:
    cell = exactly(name)
    stored = cell.to_physical() if dtype.is_temporal() else cell
    cells = scan.select(stored.alias("c")).collect(engine="streaming").to_series()
    return describe_numbers(name, dtype, cells.drop_nulls(), cells.null_count())


def describe_numbers(
    name: str,
    dtype: pl.DataType,
    cells: pl.Series,
    nulls: int,
    *,
    buffer: NDArray[Any] | None = None,
) -> ColumnProfile:
    """Return the statistics of a column of numbers or times.

    Args:
        cells: Its values without nulls; of times, what they are stored as.
        buffer: The memory of `cells`, if they may be put in order there.
    """
    found = ColumnProfile(name=name, type=column_type(dtype), nulls=nulls)
    if dtype.is_float():
        found.nan = int(cells.is_nan().sum())
        found.infinite = int(cells.is_infinite().sum())
        if found.nan or found.infinite:
            cells, buffer = cells.filter(cells.is_finite()), None
    if cells.is_empty():
        found.distinct = 0
        return found
    _add_moments(found, cells, dtype)
    ordered = _sortable(cells) if buffer is None else buffer
    ordered.sort()
    found.distinct = 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
    if dtype.is_decimal():
        found.distinct = cells.n_unique()  # floats cannot tell all decimals apart
        found.min, found.max = _public(cells.min(), dtype), _public(cells.max(), dtype)
    else:
        found.min = _public(ordered[0].item(), dtype)
        found.max = _public(ordered[-1].item(), dtype)
    found.quantiles = _quantiles(ordered, dtype)
    found.histogram = _histogram(ordered, dtype)
    return found


def _sortable(cells: pl.Series) -> NDArray[Any]:
    """The values to be put in order: decimals as floats, all others as they are.

    numpy sorts numbers in place with the widest registers there are, several times
    faster than anything that must carry more than the numbers.
    """
    if cells.dtype.is_decimal() or cells.dtype in (pl.Int128, pl.UInt128):
        cells = cells.cast(pl.Float64)
    return np.array(cells.to_numpy())


def _add_moments(found: ColumnProfile, cells: pl.Series, dtype: pl.DataType) -> None:
    if dtype.is_temporal():
        return
    numbers = cells if dtype.is_float() else cells.cast(pl.Float64)
    found.mean = _finite(numbers.mean())
    found.std = _finite(numbers.std()) if len(numbers) > 1 else None


def _finite(value: Any) -> float | None:
    """A sum of huge numbers may overflow; JSON has no infinity."""
    return float(value) if value is not None and np.isfinite(value) else None


def _quantiles(ordered: NDArray[Any], dtype: pl.DataType) -> dict[str, Any]:
    if dtype.is_temporal():
        last = len(ordered) - 1
        exact = [ordered[int(q * last)].item() for q in _QUANTILES]
        return {
            str(q): _public(v, dtype) for q, v in zip(_QUANTILES, exact, strict=True)
        }
    values = _linear_quantiles(ordered)
    return {str(q): _finite(v) for q, v in zip(_QUANTILES, values, strict=True)}


def _linear_quantiles(ordered: NDArray[Any]) -> list[float]:
    """Return quantiles of sorted numbers, without overflow between huge neighbours."""
    at = np.array(_QUANTILES) * (len(ordered) - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, len(ordered) - 1)
    share = at - low
    below, above = ordered[low].astype(np.float64), ordered[high].astype(np.float64)
    return (below * (1 - share) + above * share).tolist()  # type: ignore[no-any-return]


def _histogram(ordered: NDArray[Any], dtype: pl.DataType) -> Histogram:
    low, high = float(ordered[0]), float(ordered[-1])
    bins = _BINS if high > low else 1
    if not dtype.is_float() and not dtype.is_decimal():
        bins = int(min(bins, max(high - low, 1)))
    share = np.arange(bins + 1) / bins
    edges = low * (1 - share) + high * share
    edges[0], edges[-1] = low, high
    below = np.searchsorted(ordered, edges[1:-1], side="left")
    counts = np.diff(np.concatenate(([0], below, [len(ordered)])))
    is_time = dtype.is_temporal()
    shown = [_public(round(e), dtype) if is_time else e for e in edges.tolist()]
    return Histogram(edges=shown, counts=counts.tolist())


def _public(value: Any, dtype: pl.DataType) -> Any:
    """Return a stored number as the JSON value of its type."""
    if value is None or dtype.is_integer():
        return value
    if dtype.is_float():
        return float(value)
    if dtype.is_decimal():
        return str(value)
    cell = pl.Series([int(value)]).cast(_physical(dtype)).cast(dtype)
    return _iso(cell, dtype)


def _physical(dtype: pl.DataType) -> pl.DataType:
    return pl.Int32() if isinstance(dtype, pl.Date) else pl.Int64()


def _iso(cell: pl.Series, dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Duration):
        return str(cell.dt.to_string("iso")[0])
    if isinstance(dtype, pl.Date):
        return str(cell.dt.strftime("%Y-%m-%d")[0])
    if isinstance(dtype, pl.Time):
        return str(cell.dt.strftime("%H:%M:%S%.f")[0])
    zone = "Z" if isinstance(dtype, pl.Datetime) and dtype.time_zone else ""
    if zone:
        cell = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return str(cell.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")[0]) + zone


# --- texts and booleans ----------------------------------------------------------


def _profile_values(scan: pl.LazyFrame, name: str, dtype: pl.DataType) -> ColumnProfile:
    cell = exactly(name)
    is_text = isinstance(dtype, pl.String)
    counts = (
        scan.filter(cell.is_not_null())
        .select(cell.hash().alias("h"))
        .group_by("h")
        .len()
        .select(
            distinct=pl.len(),
            top=pl.col("h").top_k_by("len", TOP).implode(),
        )
        .collect(engine="streaming")
    )
    facts = scan.select(
        nulls=cell.null_count(),
        low=cell.min() if is_text else pl.lit(None),
        high=cell.max() if is_text else pl.lit(None),
    ).collect(engine="streaming")
    hashes = counts["top"].explode().drop_nulls()
    return describe_values(
        name,
        dtype,
        nulls=int(facts["nulls"][0]),
        distinct=int(counts["distinct"][0]),
        ends=(facts["low"][0], facts["high"][0]),
        top=values_of(scan, name, hashes),
    )


def values_of(scan: pl.LazyFrame, name: str, hashes: pl.Series) -> pl.DataFrame:
    """Return `value` and `count` of the values that have these hashes."""
    known = scan.select(exactly(name).alias("value")).drop_nulls()
    return (
        known.filter(pl.col("value").hash().is_in(hashes.implode()))
        .group_by("value")
        .len("count")
        .collect(engine="streaming")
    )


def describe_values(
    name: str,
    dtype: pl.DataType,
    *,
    nulls: int,
    distinct: int,
    ends: tuple[Any, Any],
    top: pl.DataFrame,
) -> ColumnProfile:
    """Return the statistics of a column of texts or booleans.

    Args:
        ends: Its least and its greatest text.
        top: `value` and `count` of at least its most frequent values.
    """
    top = top.sort(["count", "value"], descending=[True, False]).head(TOP)
    return ColumnProfile(
        name=name,
        type=column_type(dtype),
        nulls=nulls,
        distinct=distinct,
        min=_shortened(ends[0]),
        max=_shortened(ends[1]),
        top=[
            TopValue(_shortened(value), int(count))
            for value, count in top.select("value", "count").iter_rows()
        ],
    )


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return value[:_LONGEST_VALUE] + "…"
    return value
