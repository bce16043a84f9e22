"""Wakes workers when what a session wrote is on disk, and not before."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

# Its listener comes before the one below: the commit may be its work.
import foretell.core.unanswered  # noqa: F401
from foretell.jobs.ports import Bell, Waiting

_RUNG = "foretell.jobs.rung"


def ring_after_commit(session: AsyncSession, bell: Bell, *jobs: Waiting) -> None:
    """Ring once the session's transaction is on disk, and tell the bell which jobs
    are new."""
    told: list[Any] | None = session.info.get(_RUNG)
    if told is None:
        session.info[_RUNG] = [bell, *jobs]
    else:
        told.extend(jobs)


# For all sessions: listeners of one session cost more than its transaction.
@event.listens_for(Session, "after_commit")
def _ring(committed: Session) -> None:
    # A savepoint's end fires the hook too: nobody else sees the rows yet.
    if _RUNG in committed.info and not committed.in_nested_transaction():
        bell, *jobs = committed.info.pop(_RUNG)
        bell.ring(*jobs)


@event.listens_for(Session, "after_rollback")
def _forget(undone: Session) -> None:
    if not undone.in_nested_transaction():
        undone.info.pop(_RUNG, None)
