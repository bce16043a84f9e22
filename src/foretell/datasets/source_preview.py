"""A dry run of an import from a connection: its first rows, and nothing stored.

The connection is read in a short transaction of its own; nothing of Foretell's own
database is held while the other one is waited for.
"""

import asyncio
from dataclasses import dataclass, replace

import msgspec

from foretell.connections.composing import connections_service
from foretell.connections.errors import ConnectionUnreachable
from foretell.connections.outside import Outside
from foretell.connections.schemas import SourceWrite
from foretell.connections.spooling import read_table
from foretell.core.connectors import After
from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.datasets.importing import (
    DRY_RUN_ROWS,
    DRY_RUN_TIMEOUT_SECONDS,
    DryRun,
)
from foretell.datasets.outside import checked_source, source_of
from foretell.datasets.sourced import Origin


@dataclass(frozen=True, slots=True)
class SourcePreview:
    """Tries sources of connections out."""

    parts: Parts

    async def read(self, principal: Principal, given: SourceWrite) -> DryRun:
        """What an import would make of the first rows.

        Raises:
            SourceInvalid, QueryNotReadOnly, ConnectionNotFound: It cannot be read.
            ConnectionUnreachable: The database does not answer in time.
        """
        source_of(given)
        async with self.parts.database.reading() as session:
            service = connections_service(self.parts, session)
            opened = await service.open(principal, given.connection)
        source = checked_source(given, opened)
        origin = Origin(opened.kind, opened.name, source)
        if given.incremental is not None:
            source = replace(source, after=After(given.incremental))
        outside = self.parts.port(Outside)
        connector = await outside.connector(opened.kind)
        try:
            async with asyncio.timeout(DRY_RUN_TIMEOUT_SECONDS):
                target = replace(
                    await outside.target(opened.said),
                    timeout_seconds=DRY_RUN_TIMEOUT_SECONDS,
                )
                async with (
                    connector.read(target, source, rows=DRY_RUN_ROWS) as reading,
                    read_table(
                        self.parts,
                        reading,
                        report=_ignore,
                        watched=given.incremental,
                        most=DRY_RUN_ROWS,
                    ) as table,
                ):
                    return DryRun(
                        columns=table.columns,
                        rows=msgspec.json.decode(table.sample),
                        rejects=[],
                        source={**origin.described(), "findings": table.findings},
                        options={},
                    )
        except TimeoutError:
            raise ConnectionUnreachable("timeout") from None


async def _ignore(_stage: str, _rows: int) -> None:
    return None
