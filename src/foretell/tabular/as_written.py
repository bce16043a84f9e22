"""Typed cells as the text a person would have written.

Where a typed column has to become another type, or several types meet in one column,
its cells go through their text: so the same rules hold for a workbook, a Parquet file
and a CSV file.
"""

from collections.abc import Sequence

import polars as pl

_WHOLE_LIMIT = 2.0**63


def whole(number: pl.Expr) -> pl.Expr:
    """Return whether a float is a whole number of 64 bits."""
    is_small = (number >= -_WHOLE_LIMIT) & (number < _WHOLE_LIMIT)
    return is_small & (number == number.floor())


def merged(series: Sequence[pl.Series]) -> pl.Series:
    """Return the first value of each row that is not null."""
    if len(series) == 1:
        return series[0]
    frame = pl.DataFrame([part.alias(str(i)) for i, part in enumerate(series)])
    return frame.select(pl.coalesce(pl.all()).alias("cell"))["cell"]


def written(
    cells: pl.Series, *, mark: str = ".", pattern: str | None = None
) -> pl.Series:
    """Return cells of any type as text; null stays null.

    Args:
        mark: Decimal mark of numbers.
        pattern: strftime format of dates and times; used for those cells that it
            says all of, so that nothing is lost on the way.
    """
    frame, cell = cells.alias("cell").to_frame(), pl.col("cell")
    text = _text(cell, cells.dtype)
    if cells.dtype.is_float() or cells.dtype.is_decimal():
        text = text.str.replace(".", mark, literal=True)
    if pattern is not None and cells.dtype.is_temporal():
        text = pl.coalesce(_patterned(cell, cells.dtype, pattern), text)
    return frame.select(text.alias("cell"))["cell"].alias(cells.name)


def _text(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_float():
        is_whole = whole(cell)
        as_integer = pl.when(is_whole).then(cell).cast(pl.Int64)
        return pl.coalesce(as_integer.cast(pl.String), cell.cast(pl.String))
    if isinstance(dtype, pl.Boolean):
        return pl.when(cell).then(pl.lit("TRUE")).when(~cell).then(pl.lit("FALSE"))
    if isinstance(dtype, pl.Datetime):
        return _timestamp(cell, dtype)
    if isinstance(dtype, pl.Date):
        return cell.dt.strftime("%Y-%m-%d")
    if isinstance(dtype, pl.Time):
        return cell.dt.strftime("%H:%M:%S%.f")
    if isinstance(dtype, pl.Duration):
        return _hours(cell)
    if isinstance(dtype, pl.Binary):
        return cell.bin.encode("base64")
    if dtype.is_nested():
        return pl.struct(cell.alias("c")).struct.json_encode().str.slice(5).str.head(-1)
    return cell.cast(pl.String)


def _timestamp(cell: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    if dtype.time_zone is None:
        return cell.dt.strftime("%Y-%m-%d %H:%M:%S%.f")
    utc = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")


def _hours(cell: pl.Expr) -> pl.Expr:
    """Hours may be more than 24, as in the column of a time sheet."""
    micros = cell.dt.total_microseconds()
    seconds = micros.abs() // 1_000_000
    rest = micros.abs() % 1_000_000
    sign = pl.when(micros < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    parts = [
        (seconds // 3600).cast(pl.String),
        (seconds // 60 % 60).cast(pl.String).str.zfill(2),
        (seconds % 60).cast(pl.String).str.zfill(2),
    ]
    fraction = pl.lit(".") + rest.cast(pl.String).str.zfill(6)
    fraction = pl.when(rest > 0).then(fraction).otherwise(pl.lit(""))
    return sign + pl.concat_str(parts, separator=":") + fraction


def _patterned(cell: pl.Expr, dtype: pl.DataType, pattern: str) -> pl.Expr:
    """The cell in the caller's format, null where that would leave something out."""
    text = cell.dt.strftime(pattern)
    if isinstance(dtype, pl.Time):
        again: pl.Expr = text.str.to_time(pattern, strict=False)
    elif isinstance(dtype, pl.Date):
        again = text.str.to_date(pattern, strict=False)
    elif isinstance(dtype, pl.Datetime):
        zone = None if dtype.time_zone is None else "UTC"
        moment = text.str.to_datetime(
            pattern, time_unit="us", time_zone=zone, strict=False
        )
        day = text.str.to_date(pattern, strict=False).cast(pl.Datetime("us", zone))
        again = pl.coalesce(moment, day)
    else:
        return pl.lit(None, pl.String)
    return pl.when(again == cell).then(text)


def day_text(cells: pl.Series) -> pl.Series:
    """Return timestamps as text, those at midnight as bare dates."""
    frame, cell = cells.alias("cell").to_frame(), pl.col("cell")
    is_midnight = cell.dt.time() == pl.time(0, 0, 0)
    text = pl.when(is_midnight).then(cell.dt.strftime("%Y-%m-%d"))
    full = _text(cell, cells.dtype)
    return frame.select(pl.coalesce(text, full).alias("cell"))["cell"].alias(cells.name)
