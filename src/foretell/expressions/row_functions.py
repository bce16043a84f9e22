"""Functions that the compiled function of one row calls, equal to those of polars."""

import math
import re
from datetime import date, datetime, time
from decimal import Decimal

from foretell.expressions.patterns import TO_FLOAT, TO_INTEGER, WHITE_SPACE

_INTEGER = re.compile(TO_INTEGER)
_FLOAT = re.compile(TO_FLOAT)
_MIN, _MAX = -(2**63), 2**63 - 1
_LONGEST = 25  # more digits than 64 bits have, leading zeros aside


def to_decimal(number: int) -> Decimal:
    """Give an integer as a decimal; exact."""
    return Decimal(number)


def to_timestamp(day: date) -> datetime:
    """Give the midnight at which a day begins."""
    return datetime.combine(day, time.min)


def round_half_away(number: float, digits: int = 0) -> float:
    """Round to `digits` decimals (at most 15), a half away from zero.

    Source: multiply, round, divide, as polars does; a number too large to be
    multiplied has no decimals and stays.
    """
    power = 10.0**digits
    scaled = number * power
    if not math.isfinite(scaled):
        return number
    whole = float(math.trunc(scaled))
    if abs(scaled - whole) >= 0.5:
        whole += math.copysign(1.0, scaled)
    return math.copysign(whole, number) / power


def floor(number: float) -> float:
    """Give the largest whole float that is not above; keeps -0.0, NaN and infinities."""
    return number // 1.0 if math.isfinite(number) else number


def ceil(number: float) -> float:
    """Give the smallest whole float that is not below; keeps -0.0, NaN, infinities."""
    return -(-number // 1.0) if math.isfinite(number) else number


def substr(text: str, start: int, length: int | None = None) -> str:
    """Give the part from the character `start`, counted from 1."""
    offset = max(start, 1) - 1
    if length is None:
        return text[offset:]
    return text[offset : offset + max(length, 0)]


def replace(text: str, old: str, new: str) -> str:
    """Replace every `old`; an empty one replaces nothing."""
    return text.replace(old, new) if old else text


def right(text: str, count: int) -> str:
    """Give the last `count` characters."""
    return text[-count:] if count > 0 else ""


def split_part(text: str, by: str, number: int) -> str | None:
    """Give a part of a text, counted from 1; None where there are fewer."""
    parts = text.split(by, number)
    return parts[number - 1] if number <= len(parts) else None


def to_integer(text: str) -> int | None:
    """Read a whole number of 64 bits."""
    found = _INTEGER.match(text.strip(WHITE_SPACE))
    if found is None or "\n" in found.string:
        return None
    # Python refuses to read thousands of digits, most of which may be zeros.
    digits = found[1].lstrip("-").lstrip("0") or "0"
    if len(digits) > _LONGEST:
        return None
    number = -int(digits) if found[1].startswith("-") else int(digits)
    return number if _MIN <= number <= _MAX else None


def to_float(text: str) -> float | None:
    """Read a finite number."""
    found = _FLOAT.match(text.strip(WHITE_SPACE))
    if found is None or "\n" in found.string:
        return None
    number = float(found[1])
    return number if math.isfinite(number) else None


def sqrt(number: float) -> float:
    """Give the square root; NaN below 0."""
    return math.nan if number < 0 else math.sqrt(number)


def exp(number: float) -> float:
    """Give e to the power of a number; infinite where it is too large."""
    try:
        return math.exp(number)
    except OverflowError:
        return math.inf


def ln(number: float) -> float:
    """Give the natural logarithm; NaN below 0, minus infinity of 0."""
    if number > 0 or number != number:
        return math.log(number)
    return -math.inf if number == 0 else math.nan


def to_date(moment: date) -> date:
    """Give the day of a timestamp or date."""
    return moment.date() if isinstance(moment, datetime) else moment


def day_of_year(day: date) -> int:
    """Give the day of the year, 1 to 366."""
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1
