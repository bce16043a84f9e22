"""From one column type to another; null where a value does not fit."""

from collections.abc import Sequence

import polars as pl

from foretell.core.columns import ColumnType
from foretell.expressions.patterns import WHITE_SPACE

DIGITS = 38
_INTEGER = r"\A[+-]?[0-9]+\z"
_NUMBER = r"\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z"
_DATE = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
_TIME = rf"\A{_CLOCK}\z"
_MOMENT = rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}\z"
_ZONED = (
    rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})\z"
)
_SHORT = r"((?:\A|T)[0-9]{2}:[0-9]{2})(\z|Z|[+-])"
_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")
_LARGEST = 2.0**63


def cast(value: pl.Expr, source: ColumnType, target: ColumnType, scale: int) -> pl.Expr:
    """The value in another type.

    Args:
        scale: Decimal places of a decimal.
    """
    if source is target and target is not ColumnType.DECIMAL:
        return value
    if source is ColumnType.TEXT:
        return _of_text(value.str.strip_chars(WHITE_SPACE), target, scale)
    if target is ColumnType.TEXT:
        return as_text(value, source)
    match target:
        case ColumnType.INTEGER:
            return _integer(value, source)
        case ColumnType.FLOAT:
            return value.cast(pl.Float64)
        case ColumnType.DECIMAL:
            return value.cast(pl.Decimal(DIGITS, scale), strict=False)
        case ColumnType.BOOLEAN:
            number = value.cast(pl.Float64)
            return pl.when(number.is_in([0.0, 1.0])).then(number == 1.0)
        case ColumnType.DATE:
            return naive(value).dt.date()
        case ColumnType.TIME:
            return naive(value).dt.time()
    return value.cast(pl.Datetime("us"))


def naive(value: pl.Expr) -> pl.Expr:
    """A timestamp in UTC without a zone."""
    return value.cast(pl.Datetime("us"))


def as_text(value: pl.Expr, source: ColumnType) -> pl.Expr:
    """A value as the API writes it."""
    match source:
        case ColumnType.TIME:
            return value.dt.strftime("%H:%M:%S%.f")
        case ColumnType.TIMESTAMP:
            return naive(value).dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
        case ColumnType.DURATION:
            return value.dt.to_string("iso")
    return value.cast(pl.String)


def _integer(value: pl.Expr, source: ColumnType) -> pl.Expr:
    if source is ColumnType.FLOAT:
        fits = value.is_finite() & (value == value.floor()) & (value.abs() < _LARGEST)
        return pl.when(fits).then(value).cast(pl.Int64, strict=False)
    whole = value.cast(pl.Int64, strict=False)
    if source is ColumnType.DECIMAL:
        return pl.when(whole.cast(pl.Decimal(DIGITS, 0)) == value).then(whole)
    return whole


def _of_text(text: pl.Expr, target: ColumnType, scale: int) -> pl.Expr:
    match target:
        case ColumnType.INTEGER:
            fits = pl.when(text.str.contains(_INTEGER)).then(text.str.strip_prefix("+"))
            return fits.cast(pl.Int64, strict=False)
        case ColumnType.FLOAT:
            number = pl.when(text.str.contains(_NUMBER)).then(
                text.str.strip_prefix("+")
            )
            found = number.cast(pl.Float64, strict=False)
            return pl.when(found.is_finite()).then(found)
        case ColumnType.DECIMAL:
            places = rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
            shape = rf"\A[+-]?[0-9]{{1,{DIGITS - scale}}}{places}\z"
            fits = pl.when(text.str.contains(shape)).then(text.str.strip_prefix("+"))
            return fits.cast(pl.Decimal(DIGITS, scale), strict=False)
        case ColumnType.BOOLEAN:
            lower = text.str.to_lowercase()
            known = lower.is_in([*_TRUE, *_FALSE])
            return pl.when(known).then(lower.is_in(_TRUE))
        case ColumnType.DATE:
            fits = pl.when(text.str.contains(_DATE)).then(text)
            return fits.str.to_date("%Y-%m-%d", strict=False)
        case ColumnType.TIME:
            full = _with_seconds(text)
            fits = pl.when(full.str.contains(_TIME)).then(full)
            return fits.str.to_time("%H:%M:%S%.f", strict=False)
    return _moment(text)


def _with_seconds(text: pl.Expr) -> pl.Expr:
    """A clock without seconds gets them, in front of the zone if there is one."""
    return text.str.replace(_SHORT, "${1}:00${2}")


def _moment(text: pl.Expr) -> pl.Expr:
    """A timestamp of ISO 8601; one with a zone is brought to UTC."""
    marked = text.str.replace(" ", "T", literal=True, n=1)
    day = pl.when(text.str.contains(_DATE)).then(text + "T00:00:00")
    full = pl.coalesce(day, _with_seconds(marked))
    plain = pl.when(full.str.contains(_MOMENT)).then(full)
    zoned = pl.when(full.str.contains(_ZONED)).then(
        full.str.replace("Z", "+00:00", literal=True)
    )
    return pl.coalesce(
        plain.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False),
        naive(
            zoned.str.to_datetime(
                "%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", strict=False
            )
        ),
    )


def parse_dates(
    text: pl.Expr, formats: Sequence[str], target: ColumnType, timezone: str | None
) -> pl.Expr:
    """The first format that fits. An hour that the clock shows twice, or skips, in the
    time zone is none."""
    trimmed = text.str.strip_chars(WHITE_SPACE)
    if target is ColumnType.DATE:
        return pl.coalesce(
            [trimmed.str.to_date(form, strict=False) for form in formats]
        )
    found = pl.coalesce(
        [
            naive(trimmed.str.to_datetime(form, time_unit="us", strict=False))
            for form in formats
        ]
    )
    if timezone is None:
        return found
    local = found.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone("UTC")
