"""Bodies of the monitoring route."""

import datetime
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from foretell.http.schemas import Moment, Reading

_moment: TypeAdapter[datetime.datetime] = TypeAdapter(Moment)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(value: Any) -> Any:
    """A day, or the day (UTC) of a time in RFC 3339."""
    if not isinstance(value, str) or _DAY.fullmatch(value):
        return value
    if not _DAY.match(value):
        # Pydantic would read a number as seconds since 1970.
        raise ValueError("is not a day, such as 2026-01-31")
    return _moment.validate_python(value).date()


DayOf = Annotated[datetime.date, BeforeValidator(_day)]


class LatencyHistogramRead(Reading):
    """Answered calls by milliseconds: each count is of what took at most the `upper`
    beside it and more than the one before; null is no limit."""

    upper: list[float | None]
    counts: list[int]


class LatencyRead(Reading):
    """Milliseconds from the body to the answer."""

    mean: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    histogram: LatencyHistogramRead


class BinRead(Reading):
    """Rows in one bin."""

    kind: Literal["range", "value", "other", "missing"]
    low: float | None = Field(None, description="Above this; null is no limit.")
    high: float | None = Field(None, description="At most this; null is no limit.")
    value: Any = Field(None, description="Of the kind `value`, a known category.")
    count: int = Field(description="Rows of calls.")
    expected: int | None = Field(description="Rows of the example.")


class DistributionRead(Reading):
    """Values of one column in the window, beside those of the example."""

    name: str
    type: Literal["number", "category"]
    psi: float | None = Field(
        description="Population stability index; null without rows on either side."
    )
    noise: float | None = Field(
        description="The PSI that chance alone exceeds once in twenty times."
    )
    level: Literal["stable", "moderate", "major", "unclear"] = Field(
        description="Marks at 0.1 and 0.25; unclear: too few rows."
    )
    note: str | None
    rows: int = Field(description="Rows of calls that were looked at.")
    reference_rows: int = Field(description="Rows of the example.")
    bins: list[BinRead]


class DayRead(Reading):
    """One day with calls (UTC)."""

    day: datetime.date
    calls: int
    errors: int
    rows: int
    p50: float | None = Field(description="Milliseconds.")
    p99: float | None = Field(description="Milliseconds.")
    predictions: dict[str, float | None] = Field(description="PSI by output.")
    drift: dict[str, float | None] = Field(
        description="PSI by input: of wide models the fifty that moved most."
    )


class VersionCallsRead(Reading):
    version: int
    calls: int
    errors: int
    rows: int


class MonitoringRead(Reading):
    """What a version did from one day to another, both included (UTC)."""

    model: str
    version: int
    from_: datetime.date = Field(validation_alias="first", serialization_alias="from")
    to: datetime.date = Field(validation_alias="last")
    calls: int = Field(description="Answered or refused.")
    errors: int = Field(description="Refused.")
    errors_by_problem: dict[str, int]
    rows: int = Field(description="Rows answered.")
    reference_rows: int = Field(description="Rows of the example.")
    latency_ms: LatencyRead
    predictions: list[DistributionRead]
    drift: list[DistributionRead] = Field(description="One for each input watched.")
    days: list[DayRead]
    versions: list[VersionCallsRead] = Field(
        description="All versions of the model that had calls in the window."
    )
    notes: list[str]
