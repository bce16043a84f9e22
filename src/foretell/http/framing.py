"""The HTTP/1.1 side of one connection: uvicorn's, strict about framing and time.

What a proxy in front and this server could read in two ways is refused and the
connection closed, because the rest of its bytes would be somebody else's request. Who
sends a head, a body or the acknowledgement of an answer without end is sent away: an
open connection costs its sender nothing and us a descriptor. One timer a connection
looks at all of it; one a request would cost more than the look.
"""

import asyncio
from enum import Enum
from typing import Any, ClassVar

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from foretell.errors import PROBLEM_TYPE_PREFIX
from foretell.http.limits import (
    MAX_HEADER_BYTES,
    MAX_PATH_BYTES,
    SECURITY_HEADERS,
)
from foretell.http.problems import MEDIA_TYPE

# What a head may hold beside its headers: the method, the address, its query.
_MAX_HEAD_BYTES = MAX_HEADER_BYTES + 2 * MAX_PATH_BYTES
_CHUNKED = b"chunked"

Refusal = tuple[int, str, str, str]
"""Status, slug, title and detail."""
_MALFORMED = (
    400,
    "malformed-request",
    "Malformed request",
    "The request is not HTTP/1.1 as this server reads it.",
)
_ENCODING = (
    501,
    "unknown-transfer-encoding",
    "Unknown transfer encoding",
    "A body is sent with its length, or chunked and nothing else.",
)
_HEAD_TOO_LARGE = (
    431,
    "headers-too-large",
    "Headers too large",
    f"The head of a request holds at most {MAX_HEADER_BYTES} bytes of headers.",
)
_METHOD = (405, "method-not-allowed", "Method Not Allowed", "Not taken here.")
_SLOW = (
    408,
    "request-too-slow",
    "Request too slow",
    "The request did not arrive in time.",
)


class _Phase(Enum):
    """What a connection waits for."""

    FIRST = "the first byte"
    IDLE = "another request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    ANSWER = "the application"


class StrictProtocol(HttpToolsProtocol):
    """See the module's head. A test makes a subclass of it that has less patience."""

    HEAD_SECONDS: ClassVar[float] = 10.0
    """For a whole head, from its first byte; on a new connection, from its opening."""
    BODY_SECONDS: ClassVar[float] = 10.0
    """In each of these, `BODY_BYTES_A_SECOND` have to arrive."""
    BODY_BYTES_A_SECOND: ClassVar[int] = 1024
    UNREAD_SECONDS: ClassVar[float] = 60.0
    """For an answer of which the caller takes nothing."""
    LOOK_SECONDS: ClassVar[float] = 2.0
    """Between two looks at a connection, and so how late a deadline may act."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._phase = _Phase.FIRST
        self._since = 0.0
        self._received = 0
        self._refusal: Refusal | None = None
        self._unsent = -1
        self._unsent_since = 0.0
        self._look_task: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look_task = self.loop.call_later(self.LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look_task is not None:
            self._look_task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Not taken; what follows on the connection is of another protocol.
            self._close_after_answer()
        except httptools.HttpParserError:
            self._refuse(self._refusal or _MALFORMED)
        else:
            if self._phase is _Phase.HEAD and self._received > _MAX_HEAD_BYTES:
                self._refuse(_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for(_Phase.HEAD)

    def on_headers_complete(self) -> None:
        self._refusal = self._refusal_of_head()
        if self._refusal is not None:
            raise ValueError(self._refusal[1])
        super().on_headers_complete()
        self._wait_for(_Phase.BODY)
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # An early refusal may be out before the body of its request is in.
        is_over = self.cycle.response_complete
        self._wait_for(_Phase.IDLE if is_over else _Phase.ANSWER)

    def on_response_complete(self) -> None:
        # `cycle` is the newest: of pipelined requests others may come before it.
        if self._phase is _Phase.ANSWER and self.cycle.response_complete:
            self._wait_for(_Phase.IDLE)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(_MALFORMED)

    def _wait_for(self, phase: _Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()
        self._received = 0

    def _refusal_of_head(self) -> Refusal | None:
        """What two readers of the same bytes might disagree about."""
        if self.parser.get_method() == b"CONNECT":
            return _METHOD
        if not self.url.startswith(b"/") and not self._names_its_host():
            return _MALFORMED
        encodings = [v for n, v in self.headers if n == b"transfer-encoding"]
        if not encodings:
            return None
        # HTTP/1.0 has no chunks: an old proxy would pass them on as the next request.
        if self.parser.get_http_version() != "1.1":
            return _MALFORMED
        return None if [e.lower() for e in encodings] == [_CHUNKED] else _ENCODING

    def _names_its_host(self) -> bool:
        """Whether a whole URL as the target has the host of the header `Host`."""
        if self.url == b"*":
            return True
        host = dict(self.headers).get(b"host", b"")
        authority = self.url.partition(b"://")[2].partition(b"/")[0]
        return authority.lower() == host.lower()

    def _look(self) -> None:
        """Close what waits for too long; otherwise look again later."""
        if self.transport.is_closing():
            return
        self._look_task = self.loop.call_later(self.LOOK_SECONDS, self._look)
        waited = self.loop.time() - self._since
        match self._phase:
            case _Phase.FIRST if waited > self.HEAD_SECONDS:
                self.transport.close()
            case _Phase.IDLE if waited > self.timeout_keep_alive:
                self.transport.close()
            case _Phase.HEAD if waited > self.HEAD_SECONDS:
                self._refuse(_SLOW)
            case _Phase.BODY if waited > self.BODY_SECONDS:
                self._look_at_body(waited)
        self._look_at_answer()

    def _look_at_body(self, waited: float) -> None:
        # While we do not read, or have not said that the body may come, it is not late.
        is_ours = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if is_ours or self._received >= waited * self.BODY_BYTES_A_SECOND:
            self._wait_for(_Phase.BODY)
        else:
            self._refuse(_SLOW)

    def _look_at_answer(self) -> None:
        if not self.flow.write_paused:
            self._unsent = -1
            return
        unsent, now = self.transport.get_write_buffer_size(), self.loop.time()
        if self._unsent < 0 or unsent < self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > self.UNREAD_SECONDS:
            self.transport.abort()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with a problem if the connection is at that point, and close it."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if self._phase is _Phase.BODY:
            # The application must not take a body that broke off for a whole one.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_complete:
                self.transport.close()
                return
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
        elif cycle is not None and not cycle.response_complete:
            # The bytes are of a later request; the ones before have their answers first.
            self._close_after_answer()
            return
        self.transport.write(_response(refusal))
        self.transport.close()

    def _close_after_answer(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            return
        self.cycle.keep_alive = False
        self._wait_for(_Phase.ANSWER)
        self.flow.pause_reading()


def _response(refusal: Refusal) -> bytes:
    """The bytes of an answer that no application gives."""
    status, slug, title, detail = refusal
    body = orjson.dumps(
        {
            "type": PROBLEM_TYPE_PREFIX + slug,
            "title": title,
            "status": status,
            "detail": detail,
        }
    )
    lines = [
        STATUS_LINE[status],
        b"content-type: " + MEDIA_TYPE.encode() + b"\r\n",
        b"content-length: %d\r\n" % len(body),
        b"connection: close\r\n",
        *((b"allow: GET\r\n",) if status == 405 else ()),
        *(name + b": " + value + b"\r\n" for name, value in SECURITY_HEADERS),
        b"\r\n",
        body,
    ]
    return b"".join(lines)
