"""Hooks: the user's own code around the writes of a resource.

They run in the transaction of the write, so what they change commits with it, and
a Foretell error that they raise refuses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from foretell.core.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from foretell.jobs.enqueueing import RequestJobs


@dataclass(slots=True)
class Change:
    """One write, as hooks see it.

    Attributes:
        session: The transaction of the write.
        principal: Who asks for it; `None` outside of requests.
        jobs: Jobs that start when the write commits, and only then.
        values: What will be written; a `before_` hook may change it.
        row: The row as it was (`before_update`, `before_delete`, `after_delete`) or
            as it is now (`after_create`, `after_update`).
        body: The request body, with fields of an own schema that are no columns.
    """

    session: "AsyncSession"
    principal: Principal | None
    jobs: "RequestJobs"
    values: dict[str, Any]
    row: Mapping[str, Any] | None = None
    body: BaseModel | None = None


class ResourceHooks:
    """Override what you need."""

    async def before_create(self, change: Change) -> None:
        """Runs before a row is inserted, once for each row of a bulk."""

    async def after_create(self, change: Change) -> None:
        """Runs when the row is inserted, in the same transaction."""

    async def before_update(self, change: Change) -> None:
        """Runs before a row is changed, with the row as it was."""

    async def after_update(self, change: Change) -> None:
        """Runs when the row is changed, in the same transaction."""

    async def before_delete(self, change: Change) -> None:
        """Runs before a row is deleted, with the row as it was."""

    async def after_delete(self, change: Change) -> None:
        """Runs when the row is deleted, in the same transaction."""
