"""One HTTP call, described before it is sent, and when it may be sent again.

Nothing here does input or output: the synchronous and the asynchronous client send
the same descriptions, so there is one place that knows the API.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

import httpx2

T = TypeVar("T")

MAX_RETRIES = 4
_REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_PASSING_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Content:
    """A file to send: from disk, or bytes in memory."""

    filename: str
    source: Path | bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One HTTP call and how its answer is read.

    Attributes:
        read: Turns a successful answer into the result.
        idempotency_key: Makes a POST safe to repeat.
        is_safe: Whether a POST changes nothing, such as a prediction.
    """

    method: str
    path: str
    read: Callable[[httpx2.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, Content] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    is_safe: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return (
            self.is_safe
            or self.method in _REPEATABLE_METHODS
            or self.idempotency_key is not None
        )

    def arguments(self, opened: ExitStack) -> dict[str, Any]:
        """Arguments of httpx2's `request`; files are opened anew for each try."""
        headers = dict(self.headers)
        if self.idempotency_key:
            headers["Idempotency-Key"] = self.idempotency_key
        arguments: dict[str, Any] = {
            "method": self.method,
            "url": self.path,
            "params": {k: _text(v) for k, v in self.params.items() if v is not None},
            "headers": headers,
        }
        if self.json is not None:
            arguments["content"] = json.dumps(self.json, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        if self.form is not None:
            arguments["data"] = dict(self.form)
        if self.files:
            arguments["files"] = {
                name: (content.filename, _open(content.source, opened))
                for name, content in self.files.items()
            }
        return arguments


def get(path: str, read: Callable[[httpx2.Response], T], **params: Any) -> Call[T]:
    """A call that reads."""
    return Call("GET", path, read, params)


def post(path: str, read: Callable[[httpx2.Response], T], **rest: Any) -> Call[T]:
    """A call that creates, with a key so that a repeat makes nothing twice."""
    rest.setdefault("idempotency_key", uuid.uuid4().hex)
    return Call("POST", path, read, **rest)


def path(*segments: object) -> str:
    """An address below /api; each segment is quoted."""
    return "/api/" + "/".join(quote(str(segment), safe="") for segment in segments)


def as_json(kind: type[T]) -> Callable[[httpx2.Response], T]:
    """Read a JSON answer whose shape is `kind` (a TypedDict: nothing is copied)."""

    def read(response: httpx2.Response) -> T:
        return cast("T", response.json())

    return read


def nothing(_: httpx2.Response) -> None:
    """Read an answer without content."""


def pause_before_retry(
    call: Call[Any], attempt: int, response: httpx2.Response | None
) -> float | None:
    """Seconds to wait before sending `call` again, `None` when it must not be.

    Args:
        attempt: How often it has been sent, from 1.
        response: The answer, `None` when the connection failed.
    """
    if attempt > MAX_RETRIES or not call.is_repeatable:
        return None
    backoff = 0.1 * 2.0 ** (attempt - 1)
    if response is None:
        return backoff
    if response.status_code not in _PASSING_STATUSES:
        return None
    asked = response.headers.get("retry-after", "")
    if not asked.isdigit():
        return backoff
    # A refusal for minutes is the caller's decision, not ours to sit out.
    return float(asked) if int(asked) <= 5 else None


def _open(source: Path | bytes, opened: ExitStack) -> Any:
    if isinstance(source, bytes):
        return source
    return opened.enter_context(source.open("rb"))


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return value
