"""Parents and children in the jobs table, within one session; it never commits.

Whoever writes both writes the children first, so that no two transactions wait for
each other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from foretell.core.clock import Clock
from foretell.core.ids import lowest_id
from foretell.jobs import endings
from foretell.jobs.adding import NewJob
from foretell.jobs.claims import Claim
from foretell.jobs.fanout import FanOut, Shard
from foretell.jobs.ports import Waiting
from foretell.jobs.statements import statements_for
from foretell.jobs.store import JobStore
from foretell.jobs.tables import Job, JobAttempt, JobState

_AT_ONCE = 500
_ACTIVE = (JobState.QUEUED, JobState.RUNNING)
_ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
_ENDED_BADLY = (JobState.FAILED, JobState.CANCELLED)


class FamilyStore:
    """Fan-outs, seen through one session.

    Args:
        jobs: Notes who comes back to the queue; a store of its own if left out.
    """

    def __init__(
        self, session: AsyncSession, clock: Clock, jobs: JobStore | None = None
    ) -> None:
        self._session = session
        self._clock = clock
        self._jobs = jobs or JobStore(session, clock)
        self._sql = statements_for(session.get_bind().dialect.name)

    @property
    def woken(self) -> list[Waiting]:
        """As of `JobStore`."""
        return self._jobs.woken

    async def shards(self, parent_id: str, stage: int) -> list[Shard]:
        """Children of one fan-out, in its order."""
        columns = (Job.id, Job.task, Job.state, Job.result, Job.error)
        statement = select(*columns).where(
            Job.parent_id == parent_id, Job.stage == stage
        )
        rows = await self._session.execute(statement.order_by(Job.shard))
        return [Shard(i, t, JobState(state), *ended) for i, t, state, *ended in rows]

    async def first_args(self, parent_id: str, stage: int) -> Any:
        """What the first child of one fan-out was asked; `None`: there is none."""
        statement = select(Job.args).where(
            Job.parent_id == parent_id, Job.stage == stage, Job.shard == 0
        )
        return await self._session.scalar(statement)

    async def suspend(self, claim: Claim, fan: FanOut) -> bool:
        """Store the children and let the parent wait for them; false, and nothing
        written, if the claim was lost.

        A parent whose cancellation was asked for ends instead, without children.
        """
        now = self._clock.now()
        if not await self._jobs.end(claim, endings.waiting(claim, now)):
            return False
        parent = await self._jobs.find(claim.id)
        if parent is None or parent.waits_since is None:
            return True
        await self._jobs.add_many(_children(parent, fan))
        # After the parent's row was locked: a child that ends from now on waits for
        # this transaction and counts itself off.
        count = select(func.count()).where(
            Job.parent_id == claim.id, Job.stage == fan.stage
        )
        total = await self._session.scalar(count) or 0
        active = await self._session.scalar(count.where(Job.state.in_(_ACTIVE))) or 0
        await self._session.execute(
            self._sql.wait_for(claim.id, active=active, total=total, now=now)
        )
        if active == 0:
            await self._jobs.wakes(claim.id)
        return True

    async def stranded(self) -> Sequence[str]:
        """Parents that wait for no active child."""
        child = aliased(Job)
        active = select(child.id).where(
            child.parent_id == Job.id, child.state.in_(_ACTIVE)
        )
        statement = select(Job.id).where(
            Job.state == JobState.RUNNING,
            Job.waits_since.is_not(None),
            ~active.exists(),
        )
        return list(await self._session.scalars(statement))

    async def wake(self, parent_id: str) -> bool:
        """Bring a waiting parent back to the queue."""
        now = self._clock.now()
        result = await self._session.execute(self._sql.wake(parent_id, now))
        is_woken = isinstance(result, CursorResult) and result.rowcount > 0
        if is_woken:
            await self._jobs.wakes(parent_id)
        return is_woken

    async def cancel(self, job_id: str) -> None:
        """Cancel a job and everything below it."""
        await self._cancel_below(job_id)
        now = self._clock.now()
        result = await self._session.execute(self._sql.cancel_waiting(job_id, now))
        if isinstance(result, CursorResult) and result.rowcount > 0:
            # It may have made its children after we looked.
            await self._cancel_below(job_id)
            await self._jobs.tell_parent(job_id)
            return
        await self._jobs.cancel(job_id)

    async def _cancel_below(self, job_id: str) -> None:
        async for ids in self._levels(job_id, _ACTIVE):
            now = self._clock.now()
            for statement in (
                self._sql.cancel_queued,
                self._sql.cancel_waiting,
                self._sql.cancel_running,
            ):
                await self._session.execute(statement(ids, now))

    async def requeue_below(self, job_id: str) -> None:
        """Queue the shards below a job again that did not succeed."""
        async for ids in self._levels(job_id, _ENDED_BADLY):
            now = self._clock.now()
            await self._session.execute(self._sql.requeue(ids, None, now))
            await self._jobs.wakes(*ids)

    async def ended_before(self, moment: datetime, limit: int) -> list[str]:
        """Jobs that ended before a moment and whose results no parent waits for."""
        parent = aliased(Job)
        is_wanted = select(parent.id).where(
            parent.id == Job.parent_id, parent.state.in_(_ACTIVE)
        )
        found: list[str] = []
        for state in _ENDED:
            statement = select(Job.id).where(
                Job.state == state,
                Job.id < lowest_id(moment),  # the index is by state and id
                Job.finished_at < moment,
                ~is_wanted.exists(),
            )
            left = limit - len(found)
            ids = await self._session.scalars(statement.order_by(Job.id).limit(left))
            found += ids
        return found

    async def forget(self, ids: Sequence[str], moment: datetime) -> None:
        """Delete those of the jobs that nobody tried again meanwhile."""
        await self._session.execute(
            delete(Job)
            .where(Job.id.in_(ids), Job.state.in_(_ENDED), Job.finished_at < moment)
            .execution_options(synchronize_session=False)
        )
        kept = select(Job.id).where(Job.id.in_(ids))
        await self._session.execute(
            delete(JobAttempt)
            .where(JobAttempt.job_id.in_(ids), JobAttempt.job_id.not_in(kept))
            .execution_options(synchronize_session=False)
        )

    async def _levels(self, job_id: str, states: Sequence[JobState]) -> Any:
        """Ids of descendants in some states, from the deepest generation upwards, a
        few hundred at a time."""
        generations: list[list[str]] = []
        parents = [job_id]
        while parents:
            children: list[str] = []
            for some in _portions(parents):
                statement = select(Job.id).where(
                    Job.parent_id.in_(some), Job.state.in_(states)
                )
                children += await self._session.scalars(statement.order_by(Job.id))
            generations.append(children)
            parents = children
        for generation in reversed(generations):
            for some in _portions(generation):
                yield some


def _portions(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]


def _children(parent: Job, fan: FanOut) -> list[NewJob]:
    """Jobs with the parent's owner, objects and priority."""
    key = None if fan.at_once is None else f"fan-out:{parent.id}:{fan.stage}"
    return [
        NewJob(
            task=fan.task.name,
            args=fan.task.stored(args),
            args_version=fan.task.version,
            owner_id=parent.owner_id,
            max_attempts=fan.task.max_attempts,
            timeout_seconds=fan.task.timeout_seconds,
            queue=fan.task.queue,
            priority=parent.priority,
            parent_id=parent.id,
            stage=fan.stage,
            shard=shard,
            objects=parent.objects,
            concurrency_key=key,
            concurrency_limit=fan.at_once,
        )
        for shard, args in enumerate(fan.shards)
    ]
