"""Runs the jobs of an application under test, in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from foretell.auth.identity import Identity
from foretell.core.db import Database
from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.jobs.composition import Composition
from foretell.jobs.drain import run_all
from foretell.jobs.registry import TaskRegistry


async def drain(parts: Parts) -> int:
    """Run every job that is due by the clock; answers how many tries it took."""

    async def principal_of(_database: Database, owner_id: str) -> Principal | None:
        return await parts.port(Identity).principal_of(owner_id)

    @asynccontextmanager
    async def services(_database: Database) -> AsyncIterator[Parts]:
        yield parts

    composition = Composition(
        registry=parts.port(TaskRegistry),
        make_database=lambda: parts.database,
        data_dir=parts.settings.data_dir,
        principal_of=principal_of,
        services=services,
        clock=parts.clock,
    )
    return await run_all(composition, parts.database)
