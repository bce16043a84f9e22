"""Makes a shared application as if it had just been started."""

from sqlalchemy import text

from foretell.core.clock import FakeClock
from tests.resources.application import Served
from tests.resources.models import TABLES

_OURS = ("idempotency_keys", "job_attempts", "jobs", "dataset_versions", "datasets")


async def empty(served: Served) -> None:
    """Remove every row that a test can have made, and set the clock back."""
    database = served.state.database
    names = [table.name for table in TABLES]
    async with database.writing() as session:
        if database.dialect == "postgresql":
            tables = ", ".join([*names, *_OURS])
            await session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        else:
            # Children first: the tables stand in the order of their references.
            for name in (*reversed(names), *_OURS):
                await session.execute(text(f"DELETE FROM {name}"))  # noqa: S608
            if database.dialect == "mysql":
                await session.execute(text("ALTER TABLE cities AUTO_INCREMENT = 1"))
    behind = FakeClock().now() - served.clock.now()
    served.clock.advance(seconds=behind.total_seconds())
