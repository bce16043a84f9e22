"""Which jobs' ids an executor should be given (again), within one session."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.jobs.statements import statements_for
from foretell.jobs.tables import Job, JobQueue, JobState


class SendingStore:
    """`next_send` of jobs: the moment, on the database's clock, from which an id may be
    sent again. It is null until the first sweep finds the job."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._sql = statements_for(session.get_bind().dialect.name)

    async def due(
        self, now: datetime, first_wait: timedelta, limit: int
    ) -> Sequence[Any]:
        """Id, queue and `run_at` of jobs to send, the most urgent first.

        Whoever submits a job for now sends its id too: such a job is due after
        `first_wait`. One that was given a later time, or came back to the queue, has
        not been sent by anybody.
        """
        paused = select(JobQueue.name).where(JobQueue.is_paused.is_(True))
        is_unsent = or_(
            Job.run_at != Job.created_at,
            Job.created_at <= now - first_wait,
        )
        found = await self._session.execute(
            select(Job.id, Job.queue, Job.run_at)
            .where(Job.state == JobState.QUEUED, Job.run_at <= now)
            .where(
                or_(
                    and_(Job.next_send.is_(None), is_unsent),
                    Job.next_send <= self._sql.clock(now),
                ),
                Job.queue.not_in(paused),
            )
            .order_by(Job.rank, Job.run_at, Job.id)
            .limit(limit)
        )
        return found.all()

    async def note_sent(self, job_id: str, now: datetime, wait: float) -> bool:
        """Put the next sending off; false when another process has just done it."""
        clock = self._sql.clock(now)
        result = await self._session.execute(
            update(Job)
            .where(Job.id == job_id, Job.state == JobState.QUEUED)
            .where(or_(Job.next_send.is_(None), Job.next_send <= clock))
            .values(next_send=clock + wait)
            .execution_options(synchronize_session=False)
        )
        return isinstance(result, CursorResult) and result.rowcount > 0

    async def queues(self) -> list[str]:
        """Queues in which jobs wait."""
        waiting = select(Job.queue).where(Job.state == JobState.QUEUED).distinct()
        return list(await self._session.scalars(waiting))
