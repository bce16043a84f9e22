"""Records kept aside: what was wrong, where, and the text as it was written."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from foretell.tabular.messages import CellError

_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("record", pa.int64()),
        ("column", pa.string()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("suggestion", pa.string()),
        ("errors", pa.string()),
    ]
)
_GROUP_ROWS = 10_000
_GROUP_BYTES = 8 << 20


class Reject(msgspec.Struct, kw_only=True):
    """One record that is no row; `column`, `code`, `reason` are its first error's."""

    line: int
    record: int
    code: str
    reason: str
    raw: str
    column: str | None = None
    suggestion: str | None = None
    errors: list[CellError] = []


class RejectWriter:
    """Writes rejects to one Parquet file, a row group at a time.

    With `keep` nothing is written; the rejects of a dry run stay in `kept`.
    """

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        self.path = path
        self.count = 0
        self.kept: list[Reject] = []
        self._keep = keep
        self._waiting: list[Reject] = []
        self._waiting_bytes = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, rejects: Sequence[Reject]) -> None:
        """Take rejects in the order of their lines."""
        self.count += len(rejects)
        if self._keep:
            self.kept += rejects
            return
        for reject in rejects:
            self._waiting.append(reject)
            self._waiting_bytes += len(reject.raw)
            full = len(self._waiting) >= _GROUP_ROWS
            if full or self._waiting_bytes >= _GROUP_BYTES:
                self._flush()

    def close(self) -> None:
        """Finish the file; there is none if nothing was rejected."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def discard(self) -> None:
        """Take everything back."""
        self._waiting.clear()
        self.close()
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, _SCHEMA, compression="zstd")
        self._writer.write_table(
            pa.Table.from_pylist(
                [_plain(reject) for reject in self._waiting], schema=_SCHEMA
            )
        )
        self._waiting = []
        self._waiting_bytes = 0


def _plain(reject: Reject) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(reject)
    plain["errors"] = msgspec.json.encode(reject.errors).decode()
    return plain


def rejects_json(rejects: Sequence[Reject]) -> bytes:
    """Return rejects as the JSON array that the API answers."""
    return msgspec.json.encode(rejects)
