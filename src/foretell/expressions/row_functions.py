"""Functions that the compiled function of one row calls, equal to those of polars."""

import math
from datetime import date, datetime, time
from decimal import Decimal


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
