"""Uploads that go to disk while they arrive.

FastAPI's `UploadFile` parses the whole body before the caller is checked and
keeps no running count. Here a route feeds the body to the multipart parser itself,
after its scope check. Parsing, hashing and writing happen in a thread, in pieces
of half a MiB: a hop to a thread costs less than 0.1 ms, a SHA-256 on the event
loop would hold up every other request.
"""

import asyncio
import errno
import hashlib
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from foretell.core.ids import new_id
from foretell.errors import (
    FieldError,
    ForetellError,
    Invalid,
    OutOfSpace,
    TooLarge,
)
from foretell.http import idempotency

PIECE_BYTES = 512 * 1024
MAX_TEXT_BYTES = 1024 * 1024
MAX_FILENAME = 255
FREE_FRACTION = 0.1
FREE_BYTES = 2 * 1024**3
_PLAIN_ENCODINGS = frozenset({b"7bit", b"8bit", b"binary"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class UploadMalformed(Invalid):
    """The body is not the multipart form it says it is, or ended early."""

    slug = "upload-malformed"


@dataclass(frozen=True, slots=True)
class Limit:
    """Most bytes of one file.

    Attributes:
        refusal: Makes the error of a larger one from the name of its part.
    """

    bytes: int
    refusal: Callable[[str], ForetellError]

    @classmethod
    def of_server(cls, most: int) -> "Limit":
        """The limit that holds for everybody."""

        def refusal(name: str) -> ForetellError:
            return TooLarge(f"{name}: more than {most:,} bytes.", limit=most)

        return cls(most, refusal)


@dataclass(frozen=True, slots=True)
class Form:
    """The parts that a route takes; any other part is refused by name.

    Attributes:
        files: Parts that go to disk. A raw body is the first of them.
        texts: Parts that are read as text, up to 1 MiB each.
    """

    files: tuple[str, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One received file.

    Attributes:
        filename: The last part of the name the client gave; a label, never a path.
        content_type: What the client says it is; never trusted.
    """

    path: Path
    filename: str
    content_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A received body.

    Attributes:
        texts: Text parts by name; of a raw body the query parameters in `Form.texts`.
    """

    files: dict[str, UploadedFile] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def file(self, name: str) -> UploadedFile:
        """The file `name`.

        Raises:
            Invalid: The form has no such part.
        """
        if name not in self.files:
            missing = FieldError(f"/{name}", "This file is missing.", "missing")
            raise Invalid(f"The form has no file {name!r}.", errors=[missing])
        return self.files[name]

    def fingerprint(self) -> Any:
        """A hash of what was sent, whatever the order and the boundary."""
        digest = hashlib.sha256()
        for name, file in sorted(self.files.items()):
            digest.update(f"{name}\0{file.filename}\0{file.sha256}\n".encode())
        for name, text in sorted(self.texts.items()):
            digest.update(f"{name}\0{text}\n".encode("utf-8", "surrogatepass"))
        return digest


@asynccontextmanager
async def receive(
    request: Request,
    folder: Path,
    form: Form,
    *,
    limit: Limit,
    raw: bool | None = None,
) -> AsyncIterator[Upload]:
    """Receive the body into a new folder below `folder`, removed at the end.

    What is to stay must be moved inside the context (`BlobStore.put` does). A
    repeated `Idempotency-Key` ends here with its first answer.

    Args:
        raw: Whether the body is the file itself; by default when the request is
            not `multipart/form-data`.

    Raises:
        UploadMalformed: The form cannot be read or ended early.
        Invalid: A part is unknown or came twice.
        TooLarge: A file or text is over its limit.
        OutOfSpace: The disk, or what the caller may keep, would be filled.
    """
    boundary = _boundary(request)
    is_raw = boundary is None if raw is None else raw
    place = folder / f"upload-{new_id()}"
    sink: _Sink = (
        _RawSink(place, form, limit, request)
        if is_raw
        else _FormSink(place, form, limit, boundary)
    )
    try:
        await asyncio.to_thread(sink.open)
        await _drain(request, sink)
        upload = await asyncio.to_thread(sink.finish)
        await idempotency.fingerprinted(request, upload.fingerprint())
        yield upload
    finally:
        # Waits, off the loop, for a write that a cancelled request left behind.
        await asyncio.shield(asyncio.to_thread(sink.remove))


async def _drain(request: Request, sink: "_Sink") -> None:
    pending: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            pending.append(chunk)
            size += len(chunk)
            if size >= PIECE_BYTES:
                await asyncio.to_thread(sink.feed, b"".join(pending))
                pending, size = [], 0
    except ClientDisconnect as error:
        raise UploadMalformed("The connection ended before the body did.") from error
    if pending:
        await asyncio.to_thread(sink.feed, b"".join(pending))


class _OpenFile:
    """One file that is being written."""

    def __init__(self, path: Path, filename: str, content_type: str) -> None:
        self._path = path
        self._filename = filename
        self._content_type = content_type
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.file: BinaryIO = path.open("wb")

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._digest.update(data)
        self.file.write(data)

    def close(self) -> UploadedFile:
        self.file.close()
        return UploadedFile(
            self._path,
            self._filename,
            self._content_type,
            self.bytes,
            self._digest.hexdigest(),
        )


class _Sink:
    """Where the pieces of a body go. Every method runs in a thread."""

    def __init__(self, place: Path, form: Form, limit: Limit) -> None:
        self._place = place
        self._form = form
        self._limit = limit
        self._lock = threading.Lock()
        self._file: _OpenFile | None = None
        self._is_removed = False
        self._upload = Upload()

    def open(self) -> None:
        self._place.mkdir(parents=True)

    def feed(self, data: bytes) -> None:
        with self._lock:
            if self._is_removed:
                return
            try:
                _refuse_full_disk(self._place, len(data))
                self._take(data)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise _disk_full() from error
                raise

    def finish(self) -> Upload:
        raise NotImplementedError

    def remove(self) -> None:
        with self._lock:
            self._is_removed = True
            if self._file is not None:
                self._file.file.close()
            shutil.rmtree(self._place, ignore_errors=True)

    def _take(self, data: bytes) -> None:
        raise NotImplementedError

    def _open_file(self, name: str, filename: str, content_type: str) -> None:
        # The name of the file on disk is ours; the client's stays a label.
        path = self._place / f"{len(self._upload.files)}.part"
        self._file = _OpenFile(path, _label(filename), content_type)
        self._name = name

    def _write(self, data: bytes) -> None:
        if self._file is None:
            return
        if self._file.bytes + len(data) > self._limit.bytes:
            raise self._limit.refusal(self._name)
        self._file.write(data)

    def _close_file(self) -> None:
        if self._file is not None:
            self._upload.files[self._name] = self._file.close()
            self._file = None


class _RawSink(_Sink):
    """The body is one file; its text fields are query parameters."""

    def __init__(self, place: Path, form: Form, limit: Limit, request: Request) -> None:
        super().__init__(place, form, limit)
        query = request.query_params
        self._filename = query.get("filename") or query.get("name") or ""
        self._content_type = request.headers.get("content-type", "")
        self._upload.texts.update({n: query[n] for n in form.texts if n in query})

    def open(self) -> None:
        super().open()
        self._open_file(self._form.files[0], self._filename, self._content_type)

    def finish(self) -> Upload:
        self._close_file()
        return self._upload

    def _take(self, data: bytes) -> None:
        self._write(data)


class _FormSink(_Sink):
    """The body is `multipart/form-data`, its parts in any order."""

    def __init__(
        self, place: Path, form: Form, limit: Limit, boundary: bytes | None
    ) -> None:
        super().__init__(place, form, limit)
        if not boundary:
            raise UploadMalformed("The form names no boundary in Content-Type.")
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._text: bytearray | None = None
        self._is_complete = False
        self._name = ""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise UploadMalformed("The boundary of the form is too long.") from error

    def finish(self) -> Upload:
        if not self._is_complete:
            raise UploadMalformed("The form ended before its last boundary.")
        return self._upload

    def _take(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise UploadMalformed("The form is not valid multipart data.") from error

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in options:
            raise UploadMalformed("A part of the form has no name.")
        name = _decoded(options[b"name"], "the name of a part")
        encoding = self._headers.get(b"content-transfer-encoding", b"8bit").lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise UploadMalformed("A part has a transfer encoding; send plain bytes.")
        self._refuse_part(name)
        self._name = name
        if name in self._form.texts:
            self._text = bytearray()
            return
        filename = _decoded(options.get(b"filename", b""), "a file name")
        kind = self._headers.get(b"content-type", b"").decode("latin-1")
        self._open_file(name, filename, kind)

    def _refuse_part(self, name: str) -> None:
        known = (*self._form.files, *self._form.texts)
        if name not in known:
            message = f"Unknown part; this form takes {', '.join(known)}."
            at_fault = FieldError(f"/{name[:64]}", message, "extra_forbidden")
            raise Invalid(message, errors=[at_fault])
        if name in self._upload.files or name in self._upload.texts:
            at_fault = FieldError(f"/{name}", "This part came twice.", "repeated")
            raise Invalid(f"The part {name!r} came twice.", errors=[at_fault])

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._text is None:
            self._write(data[start:end])
            return
        if len(self._text) + end - start > MAX_TEXT_BYTES:
            limit = MAX_TEXT_BYTES
            raise TooLarge(f"{self._name}: more than {limit:,} bytes.", limit=limit)
        self._text.extend(data[start:end])

    def _on_part_end(self) -> None:
        if self._text is None:
            self._close_file()
            return
        self._upload.texts[self._name] = _decoded(bytes(self._text), self._name)
        self._text = None

    def _on_end(self) -> None:
        self._is_complete = True


def is_form(request: Request) -> bool:
    """Whether the body says it is `multipart/form-data`."""
    return _boundary(request) is not None


def _boundary(request: Request) -> bytes | None:
    """The form's boundary, empty when it names none; `None` for other bodies."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return None
    return options.get(b"boundary", b"")


def _decoded(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UploadMalformed(f"{what}: not UTF-8 text.") from error


def _label(filename: str) -> str:
    last = re.split(r"[/\\]", filename)[-1]
    return _UNPRINTABLE.sub("", last)[:MAX_FILENAME]


def _refuse_full_disk(place: Path, more_bytes: int) -> None:
    usage = shutil.disk_usage(place)
    if usage.free - more_bytes < min(usage.total * FREE_FRACTION, FREE_BYTES):
        raise _disk_full()


def _disk_full() -> OutOfSpace:
    return OutOfSpace("The disk of the server is almost full; nothing was stored.")
