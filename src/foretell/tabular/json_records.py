"""Cut JSON into records, one at a time, whatever the file's size.

Two ways of writing are read. In NDJSON a record is a line, so a damaged one costs only
itself. In an array, or objects one after the other, nothing after a damaged record can
be trusted; the file is refused, and the line named.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from foretell.tabular.errors import DamagedFile, EmptyFile
from foretell.tabular.json_values import DECODER
from foretell.tabular.lenient import Fault
from foretell.tabular.messages import ImportLimits

JSON = "a JSON file"
_STEP = 1 << 20
_SPACE = " \t\r\n"
_RAW = 1 << 20
_HEAD = 1 << 16


@dataclass(slots=True)
class JsonRecord:
    """One record: the object, or why it is none.

    Attributes:
        line: Physical line on which it starts.
        raw: Its text, cut at 1 MiB.
        value: The decoded object, or the fault.
        end: Bytes of the file read when it was found.
    """

    line: int
    raw: str
    value: dict[str, Any] | Fault
    end: int


def is_by_line(path: Path, start: int) -> bool:
    """Tell NDJSON from other JSON: its first line is an object by itself."""
    with path.open("rb") as stream:
        stream.seek(start)
        head = stream.read(_HEAD).lstrip()
    line = head.split(b"\n", 1)[0].strip()
    if not line.startswith(b"{"):
        return False
    try:
        DECODER.decode(line.decode("utf-8", "replace"))
    except JSONDecodeError:
        return (
            len(head) == _HEAD and b"\n" not in head
        )  # longer than what was looked at
    except RecursionError:
        return True
    return True


def skip_lines(path: Path, start: int, count: int) -> int:
    """Return where the text begins after `count` lines, however long they are."""
    with path.open("rb") as stream:
        stream.seek(start)
        while count:
            piece = stream.readline(_STEP)
            if not piece:
                break
            count -= piece.endswith(b"\n")
        return stream.tell()


def _judged(value: Any) -> dict[str, Any] | Fault:
    if isinstance(value, dict):
        return value
    return Fault("not_an_object", "The record is no JSON object.")


# --- a record a line -------------------------------------------------------------


def line_records(
    path: Path, start: int, limits: ImportLimits, line: int = 1
) -> Iterator[JsonRecord]:
    """Yield the records of NDJSON; blank lines are none.

    Args:
        line: Physical line at `start`.
    """
    with path.open("rb") as stream:
        stream.seek(start)
        number = line - 1
        while text := stream.readline(limits.record_bytes + 1):
            number += 1
            is_whole = len(text) <= limits.record_bytes
            rest = text
            while not is_whole and not rest.endswith(b"\n"):
                rest = stream.readline(_STEP)
                if not rest:
                    break
            if text.strip():
                value = _line_value(text) if is_whole else _too_large(limits)
                raw = text[:_RAW].decode("utf-8", "replace").rstrip("\r\n")
                yield JsonRecord(number, raw, value, stream.tell())


def _too_large(limits: ImportLimits) -> Fault:
    return Fault(
        "record_too_large", f"The record is longer than {limits.record_bytes} bytes."
    )


def _line_value(line: bytes) -> dict[str, Any] | Fault:
    try:
        return _judged(DECODER.decode(line.decode()))
    except UnicodeDecodeError:
        return Fault("bad_encoding", "The line holds bytes that are not UTF-8.")
    except JSONDecodeError as error:
        return Fault("bad_json", f"{error.msg} at character {error.colno}.")
    except RecursionError:
        return Fault("nested_too_deeply", "The record is nested too deeply.")


# --- an array, or objects one after the other ------------------------------------


def stream_records(
    path: Path, start: int, limits: ImportLimits, line: int = 1
) -> Iterator[JsonRecord]:
    """Yield the items of an array, or values that follow one another.

    Args:
        line: Physical line at `start`.

    Raises:
        DamagedFile: What stands on the named line is no JSON, or one record is longer
            than allowed.
        EmptyFile: There is nothing but space.
    """
    with path.open("rb") as raw:
        raw.seek(start)
        text = codecs.getreader("utf-8")(raw)
        yield from _Cursor(text, limits, line).records(raw.tell)


class _Cursor:
    """A place in the text, of which a piece is held."""

    def __init__(
        self, stream: codecs.StreamReader, limits: ImportLimits, line: int
    ) -> None:
        self._stream = stream
        self._most = limits.record_bytes
        self._text = ""
        self._at = 0
        self._line = line
        self._counted = 0

    def records(self, tell: Callable[[], int]) -> Iterator[JsonRecord]:
        first = self._peek()
        if first == "":
            raise EmptyFile
        in_array = first == "["
        if in_array:
            self._at += 1
            if self._peek() == "]":
                return
        while True:
            yield self._record(tell)
            mark = self._peek()
            if in_array:
                if mark not in (",", "]"):
                    raise self._damaged("A comma or the end of the array is missing")
                self._at += 1
                if mark == "]":
                    break
            elif mark == "":
                return
        if self._peek():
            raise self._damaged("Something stands after the end of the array")

    def _record(self, tell: Callable[[], int]) -> JsonRecord:
        self._peek()
        line = self._line
        try:
            value, size = self._value()
        except RecursionError:
            raise self._damaged("A record is nested too deeply") from None
        raw = self._text[self._at - size : self._at][:_RAW]
        return JsonRecord(line, raw, _judged(value), tell())

    def _value(self) -> tuple[Any, int]:
        """Decode the value here and its size, reading more until it is whole."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except JSONDecodeError as error:
                held = len(self._text) - self._at
                if held <= self._most and self._more(max(_STEP, held)):
                    continue
                if held > self._most:
                    said = f"A record is longer than {self._most} characters"
                    raise self._damaged(said) from None
                raise self._damaged(error.msg, error.pos) from None
            # A number, or a word, may go on in what was not read yet.
            if end == len(self._text) and self._more(_STEP):
                continue
            size, self._at = end - self._at, end
            return value, size

    def _more(self, size: int) -> bool:
        """Read on; what lies behind is given up."""
        self._count(self._at)
        try:
            more = self._stream.read(size)
        except UnicodeDecodeError as error:
            raise self._damaged("There are bytes that are not UTF-8") from error
        self._text = self._text[self._at :] + more
        self._at = self._counted = 0
        return bool(more)

    def _count(self, to: int) -> None:
        self._line += self._text.count("\n", self._counted, to)
        self._counted = to

    def _peek(self) -> str:
        """Go to the next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                self._count(self._at)
                return self._text[self._at]
            if not self._more(_STEP):
                return ""

    def _damaged(self, said: str, at: int | None = None) -> DamagedFile:
        self._count(self._at if at is None else at)
        return DamagedFile(JSON, f"{said.rstrip('.')}, line {self._line}.")
