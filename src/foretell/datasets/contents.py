"""Values that travel between an import and the service."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# Of a version's first part: `{key, parts}`, the blob of its profile and how many parts
# that tells of. A version that shares these files and has more of them has none.
PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An uploaded file in the blob store, kept as it came.

    Attributes:
        key: Blob key, made of the content's SHA-256.
        filename: The name it was uploaded under; a label, never a path.
    """

    key: str
    filename: str
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class VersionContents:
    """What a job has written for a version that is not published yet.

    Attributes:
        columns: `{name, type, nullable}` of each column.
        parts: `{key, rows, bytes, sha256}` of each Parquet blob, in row order.
        rejects_key: Blob of the rejects, if there are any.
        source: Where the rows came from, as answers show it.
        lineage: Names and versions of what made it.
    """

    columns: list[dict[str, Any]]
    rows: int
    rejects: int
    bytes: int
    parts: list[dict[str, Any]]
    rejects_key: str | None = None
    source: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)

    def added_bytes(self, before: Sequence[Mapping[str, Any]]) -> int:
        """Bytes of the source file and of the parts that are not among `before`."""
        shared = {part["key"] for part in before}
        added = [part for part in self.parts if part["key"] not in shared]
        of_source = self.source.get("bytes", 0) if "sha256" in self.source else 0
        return int(of_source) + sum(int(part["bytes"]) for part in added)
