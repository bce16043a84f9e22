"""Read texts and numbers of an expression as values of another type."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

from foretell.core.columns import ColumnType

_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(_CLOCK)
_TIMESTAMP = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T ]{_CLOCK}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?"
)

FORMATS = {
    ColumnType.DATE: "YYYY-MM-DD",
    ColumnType.TIME: "HH:MM:SS",
    ColumnType.TIMESTAMP: "YYYY-MM-DD HH:MM:SS",
}

MAX_DECIMAL_DIGITS = 38


def find_temporal(text: str, type: ColumnType) -> date | time | datetime | None:
    """Read a text as a date, time or timestamp; None where it is none.

    A timestamp is one in UTC without a zone, whatever zone the text names. Seconds,
    their fraction and, in a timestamp, the whole time of day may be left out.
    """
    try:
        if type is ColumnType.DATE and _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if type is ColumnType.TIME and _TIME.fullmatch(text):
            return time.fromisoformat(text)
        if type is ColumnType.TIMESTAMP and _TIMESTAMP.fullmatch(text):
            return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None  # right in form, but no such day or hour
    return None


def in_utc(moment: datetime) -> datetime:
    """Give a timestamp in UTC without a zone; without one it is UTC already."""
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None)


def find_decimal(number: int | float) -> Decimal | None:
    """Give a number as it was written as a decimal; None beyond 38 digits."""
    value = Decimal(repr(number))
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return None
    whole = max(len(digits) + exponent, 0)
    scale = max(-exponent, 0)
    if whole + scale > MAX_DECIMAL_DIGITS:
        return None
    return value
