"""Bases of request and response bodies."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from foretell.core.ids import NAME_PATTERN
from foretell.core.texts import storable

T = TypeVar("T")
MAX_VERSION = 2**31 - 1


def _text(value: Any) -> Any:
    # Pydantic would read a number as seconds since 1970.
    if not isinstance(value, str | datetime):
        raise ValueError("is not a time in RFC 3339, such as 2026-01-31T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the years 1 to 9999 of UTC") from None


Storable = Annotated[str, AfterValidator(storable)]
# The constraints come first: behind a validator they would see unstripped text.
Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, strip_whitespace=True),
    AfterValidator(storable),
]
Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(storable)]
Moment = Annotated[AwareDatetime, BeforeValidator(_text), AfterValidator(_in_utc)]
# `true` and "1" are no numbers, whatever Python and Pydantic think of them.
VersionNumber = Annotated[int, Field(strict=True, ge=1, le=MAX_VERSION)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]


class Body(BaseModel):
    """A request body: unknown fields are refused, not dropped."""

    model_config = ConfigDict(extra="forbid", str_max_length=1_000_000)


class Reading(BaseModel):
    """A response body, readable from table rows and dataclasses."""

    model_config = ConfigDict(from_attributes=True)


class ListOf(Reading, Generic[T]):
    """One page of a list; `next` is the cursor of the next page."""

    items: list[T]
    next: str | None = None


class ProblemField(BaseModel):
    pointer: str
    message: str
    code: str


class ProblemRead(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[ProblemField] | None = None

    model_config = ConfigDict(extra="allow")
