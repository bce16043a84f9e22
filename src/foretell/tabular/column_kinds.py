"""The kinds of column a text column can become, as polars expressions.

A kind has a cast (text → value) and a fit: whether a cell, as written, is a value of
this kind and nothing is lost by storing it so. `0042` casts to an integer but does
not fit one, because 42 is not what was written.
"""

from dataclasses import dataclass

import polars as pl

from foretell.core.columns import ColumnType

TRUE = ("true", "True", "TRUE")
FALSE = ("false", "False", "FALSE")
DECIMAL_DIGITS = 38

_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_ISO_DATE = rf"{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_SECONDS = r":[0-5]\d(?:\.\d{1,6})?"
_ZONE = r"(?:Z|[+-]\d{2}:?\d{2})"
_MONTH_NAME = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A way to write dates or times.

    Attributes:
        strftime: How polars reads it.
        shape: Regular expression that the whole cell must match; the same in Python
            and in Rust. Keeps out what a lenient parser lets pass.
        type: Date, time or timestamp.
        has_zone: Whether it names its distance from UTC.
        rivals: The other reading of the same cells, for `01/02/2024`.
    """

    strftime: str
    shape: str
    type: ColumnType
    has_zone: bool = False
    rival: str | None = None


def _numeric_dates() -> list[TextFormat]:
    """Day and month in either order, by separator, with and without a clock."""
    formats: list[TextFormat] = []
    clocks = (
        ("", ""),
        (" %H:%M", f" {_CLOCK}"),
        (" %H:%M:%S%.f", f" {_CLOCK}{_SECONDS}"),
    )
    for mark, escaped in (("/", "/"), (".", r"\."), ("-", "-")):
        day_first = (f"%d{mark}%m{mark}%Y", f"{_DAY}{escaped}{_MONTH}{escaped}{_YEAR}")
        month_first = (
            f"%m{mark}%d{mark}%Y",
            f"{_MONTH}{escaped}{_DAY}{escaped}{_YEAR}",
        )
        for clock, clock_shape in clocks:
            kind = ColumnType.TIMESTAMP if clock else ColumnType.DATE
            for (form, shape), (other, _) in (
                (day_first, month_first),
                (month_first, day_first),
            ):
                formats.append(
                    TextFormat(
                        form + clock, shape + clock_shape, kind, rival=other + clock
                    )
                )
    return formats


def _iso_timestamps() -> list[TextFormat]:
    formats: list[TextFormat] = []
    for mark in ("T", " "):
        for clock, shape in (
            ("%H:%M:%S%.f", _CLOCK + _SECONDS),
            ("%H:%M", _CLOCK),
        ):
            start, start_shape = f"%Y-%m-%d{mark}{clock}", f"{_ISO_DATE}{mark}{shape}"
            formats.append(TextFormat(start, start_shape, ColumnType.TIMESTAMP))
            for space in ("", " "):
                formats.append(
                    TextFormat(
                        f"{start}{space}%#z",
                        start_shape + space + _ZONE,
                        ColumnType.TIMESTAMP,
                        has_zone=True,
                    )
                )
    return formats


ISO_DATE = TextFormat("%Y-%m-%d", _ISO_DATE, ColumnType.DATE)
ISO_TIMESTAMPS = tuple(_iso_timestamps())
FORMATS: dict[str, TextFormat] = {
    form.strftime: form
    for form in (
        ISO_DATE,
        TextFormat("%Y/%m/%d", rf"{_YEAR}/{_MONTH}/{_DAY}", ColumnType.DATE),
        TextFormat("%Y.%m.%d", rf"{_YEAR}\.{_MONTH}\.{_DAY}", ColumnType.DATE),
        TextFormat("%d-%b-%Y", rf"{_DAY}-{_MONTH_NAME}-{_YEAR}", ColumnType.DATE),
        TextFormat("%d %b %Y", rf"{_DAY} {_MONTH_NAME} {_YEAR}", ColumnType.DATE),
        TextFormat("%H:%M:%S%.f", rf"{_CLOCK}{_SECONDS}", ColumnType.TIME),
        *ISO_TIMESTAMPS,
        *_numeric_dates(),
    )
}


def number_shape(mark: str) -> str:
    """Return the pattern of a number as guessed: no plus, no leading zeros."""
    point = r"\." if mark == "." else ","
    return (
        rf"^-?(?:(?:0|[1-9][0-9]*)(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?$"
        r"|^[+-]?(?i:inf|infinity)$"
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column is stored as.

    Attributes:
        type: The public type.
        format: strftime format of dates and times.
        has_zone: Timestamps are instants (stored in UTC), not wall clock.
        scale: Digits after the point of decimals.
        mark: The decimal mark.
    """

    type: ColumnType
    format: str | None = None
    has_zone: bool = False
    scale: int = 0
    mark: str = "."

    @property
    def dtype(self) -> pl.DataType:
        """The polars type of the stored column."""
        zone = "UTC" if self.has_zone else None
        dtypes: dict[ColumnType, pl.DataType] = {
            ColumnType.TEXT: pl.String(),
            ColumnType.BOOLEAN: pl.Boolean(),
            ColumnType.INTEGER: pl.Int64(),
            ColumnType.DECIMAL: pl.Decimal(DECIMAL_DIGITS, self.scale),
            ColumnType.FLOAT: pl.Float64(),
            ColumnType.DATE: pl.Date(),
            ColumnType.TIME: pl.Time(),
            ColumnType.TIMESTAMP: pl.Datetime("us", zone),
        }
        return dtypes[self.type]


TEXT = Kind(ColumnType.TEXT)


def plain_number(cell: pl.Expr, mark: str) -> pl.Expr:
    """Return the cell's text with a point for a decimal mark."""
    return cell if mark == "." else cell.str.replace(mark, ".", literal=True)


def cast(cell: pl.Expr, kind: Kind) -> pl.Expr:
    """Return the value of a text cell; null where it cannot be one of this kind."""
    match kind.type:
        case ColumnType.TEXT:
            return cell
        case ColumnType.BOOLEAN:
            is_true = cell.is_in(TRUE)
            return pl.when(is_true | cell.is_in(FALSE)).then(is_true)
        case ColumnType.FLOAT:
            number = plain_number(cell, kind.mark).cast(pl.Float64, strict=False)
            return number.fill_nan(None)
        case ColumnType.DATE:
            return cell.str.to_date(kind.format, strict=False)
        case ColumnType.TIME:
            return cell.str.to_time(kind.format, strict=False)
        case ColumnType.TIMESTAMP:
            return cell.str.to_datetime(
                kind.format,
                time_unit="us",
                time_zone="UTC" if kind.has_zone else None,
                strict=False,
            )
        case _:
            return plain_number(cell, kind.mark).cast(kind.dtype, strict=False)


def fits(cell: pl.Expr, value: pl.Expr, kind: Kind) -> pl.Expr:
    """Return whether `value`, the cast of `cell`, says all that the cell says."""
    match kind.type:
        case ColumnType.TEXT:
            return pl.lit(value=True)
        case ColumnType.BOOLEAN:
            return value.is_not_null()
        case ColumnType.INTEGER:
            return value.is_not_null() & (value.cast(pl.String) == cell)
        case ColumnType.FLOAT:
            is_number = cell.str.contains(number_shape(kind.mark))
            is_infinite = cell.str.contains("(?i)inf")
            return value.is_not_null() & is_number & (value.is_finite() | is_infinite)
        case ColumnType.DECIMAL:
            return value.is_not_null() & cell.str.contains(number_shape(kind.mark))
        case _:
            shape = FORMATS[kind.format or ""].shape
            return value.is_not_null() & cell.str.contains(f"^(?:{shape})$")
