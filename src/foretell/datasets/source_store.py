"""Every statement about source files."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.db import is_unique_violation
from foretell.datasets.tables import DatasetVersion, StoredSource


class SourceStore:
    """Reads and writes the rows of source files in one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def use(self, sha256: str, now: datetime) -> None:
        """Note the use of a file, which locks its row to the end of the transaction."""
        if await self._touch(sha256, now):
            return
        try:
            async with self._session.begin_nested():
                self._session.add(StoredSource(sha256=sha256, used_at=now))
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            await self._touch(sha256, now)

    async def unneeded(self, before: datetime, after: str, limit: int) -> list[str]:
        """Files not used since `before` and of no version; by digest, beyond `after`."""
        statement = (
            select(StoredSource.sha256)
            .where(StoredSource.sha256 > after, *_is_unneeded(before))
            .order_by(StoredSource.sha256)
            .limit(limit)
        )
        return list(await self._session.scalars(statement))

    async def remove(self, sha256: str, before: datetime) -> bool:
        """Delete the row of a file if it is still not needed; whether it was."""
        statement = delete(StoredSource).where(
            StoredSource.sha256 == sha256, *_is_unneeded(before)
        )
        return await self._changes(statement)

    async def _touch(self, sha256: str, now: datetime) -> bool:
        statement = update(StoredSource).where(StoredSource.sha256 == sha256)
        return await self._changes(statement.values(used_at=now))

    async def _changes(self, statement: Any) -> bool:
        result: Any = await self._session.execute(
            statement, execution_options={"synchronize_session": False}
        )
        return bool(result.rowcount)


def _is_unneeded(before: datetime) -> tuple[ColumnElement[bool], ...]:
    of_version = select(DatasetVersion.id).where(
        DatasetVersion.source_sha256 == StoredSource.sha256
    )
    return StoredSource.used_at < before, ~of_version.exists()
