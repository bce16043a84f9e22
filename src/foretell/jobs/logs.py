"""Job logs are files: DATA_DIR/job-logs/xx/ID.log, one line an event.

They stay out of the database because they are many, small and read rarely. What a
task prints or logs while it runs ends up here too.
"""

import logging
import re
import threading
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LOG_BYTES = 4 * 1024 * 1024
MAX_LINE = 4_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_SAID = frozenset({"_record", "_from_structlog", "exc_info", "job_id", "level"})
_ID = re.compile(r"^[0-9a-f-]{1,36}$")


def log_path(data_dir: Path, job_id: str) -> Path:
    """Where a job's log stands. The last characters spread the files over folders,
    since the first ones of a UUIDv7 are the time."""
    if not _ID.match(job_id):
        raise ValueError("not a job id")
    return data_dir / "job-logs" / job_id[-2:] / f"{job_id}.log"


class JobLog:
    """Appends lines to one job's log; any thread may call it.

    The file is made with its first line, so that short, silent jobs cost none. A line
    that cannot be written, on a full disk, is left out: no job fails for its log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._size = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def write(self, message: str, level: str = "INFO") -> None:
        """Add a message, each of its lines with time and level."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        lines = [
            f"{stamp} {level} {_CONTROL.sub('', line)[:MAX_LINE]}\n"
            for line in message.splitlines() or [""]
        ]
        data = "".join(lines).encode("utf-8", "replace")
        with self._lock, suppress(OSError):
            if self._is_closed or self._size > MAX_LOG_BYTES:
                return
            file = self._file or self._open()
            self._size += len(data)
            if self._size > MAX_LOG_BYTES:
                data = (
                    f"{stamp} WARNING the log is full; the rest is left out\n".encode()
                )
            file.write(data)

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a worker that is killed leaves its last line.
        self._file = cast("BinaryIO", self._path.open("ab", buffering=0))
        self._size = self._file.tell()
        return self._file

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._file is not None:
                self._file.close()

    @contextmanager
    def capturing(self) -> "Iterator[None]":
        """Take what the process prints and logs meanwhile."""
        handler = _Handler(self)
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            with redirect_stdout(_Printed(self)):
                yield
        finally:
            root.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, log: JobLog) -> None:
        super().__init__(logging.INFO)
        self._log = log
        # What the machinery says of the job is for the operator.
        self.addFilter(lambda record: not record.name.startswith("foretell.jobs."))

    def emit(self, record: logging.LogRecord) -> None:
        message: Any = record.msg
        # structlog hands its event over as a dictionary.
        if isinstance(message, dict):
            fields = {k: v for k, v in message.items() if k not in _NOT_SAID}
            event = fields.pop("event", "")
            pairs = [f"{key}={value}" for key, value in fields.items()]
            text = " ".join([str(event), *pairs])
        else:
            text = record.getMessage()
        self._log.write(text, record.levelname)


class _Printed(TextIOBase):
    def __init__(self, log: JobLog) -> None:
        self._log = log
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._log.write(line, "PRINT")
        return len(text)


def read_log(path: Path, offset: int = 0, limit: int = 1024 * 1024) -> bytes:
    """Bytes of a log from `offset` on; empty when there is none yet."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(limit)
    except FileNotFoundError:
        return b""
