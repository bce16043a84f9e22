"""Bases of request and response bodies."""

from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from foretell.core.ids import NAME_PATTERN

T = TypeVar("T")


def _storable(text: str) -> str:
    # PostgreSQL refuses NUL and no database stores half a surrogate pair.
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds a lone surrogate")
    return text


Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, strip_whitespace=True),
    AfterValidator(_storable),
]
Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_storable)]
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
