"""What a request asks for, if it asks for it in the usual way."""

import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.types import Message, Receive, Scope

from foretell.core.pagination import DEFAULT_LIMIT, MAX_OBJECTS
from foretell.core.principal import Principal
from foretell.http.routing import DEFAULT_BODY_BYTES
from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.description import ResourceDescription
from foretell.resources.schemas import value_type

MAX_EXPAND, MAX_EXPRESSION, MAX_CURSOR = 500, 2_000, 4_096
_LENGTHS = {
    "where": MAX_EXPRESSION,
    "sort": MAX_EXPRESSION,
    "cursor": MAX_CURSOR,
    "expand": MAX_EXPAND,
}
_JSON = (b"application/json", b"application/json; charset=utf-8")
_MAX_DIGITS = 4
Read = Callable[[str], Any]


class Aside(Exception):
    """The routes have to answer this one.

    Attributes:
        body: What was received of the request's body already.
    """

    body: bytes | None = None


class Gone(Exception):
    """The client went away before its body was complete."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose caller is known."""

    scope: Scope
    headers: Mapping[bytes, bytes]
    principal: Principal | None

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def root(self) -> str:
        """The path under which the application is mounted."""
        return str(self.scope.get("root_path", ""))


@dataclass(slots=True)
class ListParameters:
    """The query string of a list.

    Attributes:
        kept: All that was sent, but for the cursor.
    """

    where: str | None = None
    sort: str | None = None
    cursor: str | None = None
    expand: str | None = None
    limit: int = DEFAULT_LIMIT
    filters: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


class ParameterReader:
    """Reads query strings and keys of one resource."""

    def __init__(self, description: ResourceDescription) -> None:
        self._filters: Mapping[str, Read] = {
            column.name: reader_of(column) for column in description.filters
        }

    def list_parameters(self, query: bytes) -> ListParameters:
        """The parameters of a list.

        Raises:
            Aside: Something is sent twice, unknown or wrong.
        """
        found = ListParameters()
        for name, text in _pairs(query).items():
            if name in _LENGTHS:
                if len(text) > _LENGTHS[name]:
                    raise Aside
                setattr(found, name, text)
            elif name == "limit":
                found.limit = _limit(text)
            elif name in self._filters:
                value = self._filters[name](text)
                if value is not None:
                    found.filters[name] = value
            else:
                raise Aside
            if name != "cursor":
                found.kept[name] = text
        return found


def expand_of(query: bytes) -> str | None:
    """The one parameter that a row takes.

    Raises:
        Aside: There are others, or it is too long.
    """
    if not query:
        return None
    pairs = _pairs(query)
    expand = pairs.get("expand")
    if len(pairs) != 1 or expand is None or len(expand) > MAX_EXPAND:
        raise Aside
    return expand


def reader_of(column: ResourceColumn) -> Read:
    """Turns the text of a path or a query into a value of `column`; raises `Aside`."""
    if column.kind is Kind.TEXT:
        longest = column.max_length

        def read_text(text: str) -> Any:
            if "\x00" in text or (longest is not None and len(text) > longest):
                raise Aside
            return text

        return read_text
    adapter: TypeAdapter[Any] = TypeAdapter(value_type(column, strict=False))

    def read(text: str) -> Any:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise Aside from error

    return read


def _pairs(query: bytes) -> dict[str, str]:
    try:
        text = query.decode("ascii")
    except ValueError as error:
        raise Aside from error
    sent = (
        urllib.parse.parse_qsl(text, keep_blank_values=True)
        if "%" in text or "+" in text
        else [_split(pair) for pair in text.split("&") if pair]
    )
    pairs = dict(sent)
    # Twice the same name, or bytes that are no UTF-8.
    if len(pairs) != len(sent) or ("%" in text and "\ufffd" in str(pairs)):
        raise Aside
    return pairs


def _split(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name, value


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise Aside
    if not 1 <= int(text) <= MAX_OBJECTS:
        raise Aside
    return int(text)


def demand_json(headers: Mapping[bytes, bytes]) -> None:
    """Return if a small JSON body is announced; raises `Aside`."""
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or int(length) > DEFAULT_BODY_BYTES:
        raise Aside
    if headers.get(b"content-type") not in _JSON:
        raise Aside


async def receive_body(receive: Receive) -> bytes:
    """The body of a request whose length was announced.

    Raises:
        Gone: The client went away.
    """
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def replayed(body: bytes | None, receive: Receive) -> Receive:
    """`receive` as it was before `body` was taken from it."""
    if body is None:
        return receive
    pending: list[Message] = [{"type": "http.request", "body": body}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def path_of(scope: Scope) -> str:
    """The path below the application's own root."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path
