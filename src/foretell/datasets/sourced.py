"""The contents of a version that was read from an outside source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from foretell.connections.cells import decode
from foretell.connections.spooling import ReadTable
from foretell.core.blobs import BlobStore
from foretell.core.columns import ColumnType
from foretell.core.connectors import After, ForeignColumn, Source
from foretell.datasets.contents import VersionContents
from foretell.datasets.errors import NotIncremental
from foretell.datasets.tables import DatasetVersion


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from, as a version's `source` and lineage say it; no secret.

    Attributes:
        incremental: The column by which only new rows are read.
    """

    kind: str
    connection: str
    source: Source
    incremental: str | None = None

    def described(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "connection": self.connection,
            self.source.kind: self.source.text.strip(),
        }

    def to_read(self, name: str, base: DatasetVersion | None) -> Source:
        """The source, from where the version `base` ends.

        Raises:
            NotIncremental: `base` does not say where that is.
        """
        if self.incremental is None:
            return self.source
        if base is None:
            return replace(self.source, after=After(self.incremental))
        noted = base.source.get("incremental") or {}
        is_same = all(base.source.get(k) == v for k, v in self.described().items())
        if not is_same or noted.get("column") != self.incremental:
            raise NotIncremental(name, self.incremental)
        last = noted.get("last")
        value = None if last is None else decode(last["kind"], last["value"])
        return replace(self.source, after=After(self.incremental, value))

    async def contents(
        self,
        table: ReadTable,
        blobs: BlobStore,
        prefix: str,
        base: DatasetVersion | None,
    ) -> VersionContents:
        """What was read, its parts made blobs."""
        source: dict[str, Any] = {**self.described(), "findings": table.findings}
        if self.incremental is not None:
            before = base.source.get("incremental", {}) if base is not None else {}
            last = table.last or before.get("last")
            source["incremental"] = {"column": self.incremental, "last": last}
        parts = await table.keep(blobs, prefix)
        return VersionContents(
            columns=table.columns,
            rows=table.rows,
            rejects=0,
            bytes=sum(int(part["bytes"]) for part in parts),
            parts=parts,
            source=source,
            lineage={"kind": "connection", **self.described()},
        )


def expected(
    declared: Sequence[ForeignColumn], base: DatasetVersion | None
) -> list[ForeignColumn]:
    """The columns of a source in the types of the version that its rows follow, as far
    as its cells agree; those that documents happen to lack are among them."""
    if base is None:
        return list(declared)
    known = {str(column["name"]): column for column in base.columns}
    found = []
    for column in declared or [ForeignColumn(name) for name in known]:
        like = known.get(column.name)
        if like is None:
            found.append(column)
            continue
        found.append(
            replace(
                column,
                type=ColumnType(like["type"]),
                scale=like.get("scale", column.scale),
                is_zoned=like.get("zoned", column.is_zoned),
                is_fixed=True,
                note=None,
            )
        )
    return found
