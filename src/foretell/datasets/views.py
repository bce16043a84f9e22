"""Finds what a reading route reads, and lets go of the database before it reads.

Reading rows may wait for others and take seconds. A connection held meanwhile would be
one less for requests that take a millisecond.
"""

from collections.abc import Mapping

from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.datasets.composing import datasets_service
from foretell.datasets.service import DatasetView
from foretell.datasets.tables import DatasetVersion


class Views:
    """Versions of datasets, each found in a short session of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get(
        self, principal: Principal, name: str, version: int | None = None
    ) -> DatasetView:
        """A dataset through one version, the current one by default."""
        async with self._parts.database.reading() as session:
            datasets = datasets_service(self._parts, session)
            return await datasets.get(principal, name, version)

    async def get_for_cursor(
        self, principal: Principal, name: str, dataset_id: str, version: int
    ) -> DatasetView:
        """The version that a cursor reads, which may be gone by now."""
        async with self._parts.database.reading() as session:
            datasets = datasets_service(self._parts, session)
            return await datasets.get_for_cursor(principal, name, dataset_id, version)

    async def find_named(
        self, principal: Principal, wanted: Mapping[str, tuple[str, int | None]]
    ) -> dict[str, DatasetVersion]:
        """The versions among `wanted` that the caller may read."""
        async with self._parts.database.reading() as session:
            return await datasets_service(self._parts, session).find_named(
                principal, wanted
            )
