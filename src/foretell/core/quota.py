"""How much of the server's storage the files of one user's objects may take.

Areas that keep files give a statement each that adds up what one user owns. Shared
objects count for their owner alone.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.errors import OutOfSpace

# Adds up the bytes of the files of one user's objects.
BytesOf = Callable[[str], Select[int]]


class QuotaExceeded(OutOfSpace):
    """The caller's files would take more than `USER_QUOTA_BYTES`."""

    slug = "quota-exceeded"
    title = "Storage quota exceeded"

    def __init__(self, used: int, limit: int) -> None:
        super().__init__(
            f"This would take more than the {limit:,} bytes that one user's files may"
            f" take; {used:,} are taken. Delete datasets or models, or ask the"
            " operator for more.",
            used=used,
            limit=limit,
        )


class StorageQuota:
    """Counts and limits what users keep.

    Two files that arrive at the same time may together exceed the limit: what is
    published is counted, and each is checked when it arrives and when it is published.

    Args:
        limit: Most bytes of one user; `None`: no limit, and nothing is counted.
    """

    def __init__(self, limit: int | None, kept: Sequence[BytesOf]) -> None:
        self.limit = limit
        self._kept = kept

    async def used(self, session: AsyncSession, user_id: str) -> int:
        """Bytes of the files of all objects that the user owns."""
        sums = [await session.scalar(bytes_of(user_id)) for bytes_of in self._kept]
        return sum(int(found or 0) for found in sums)

    async def refuse(self, session: AsyncSession, user_id: str, more: int) -> None:
        """Refuse `more` bytes that do not fit.

        Raises:
            QuotaExceeded: They would exceed the limit.
        """
        if self.limit is None:
            return
        used = await self.used(session, user_id)
        if used + more > self.limit:
            raise QuotaExceeded(used, self.limit)
