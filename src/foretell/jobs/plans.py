"""The prepared statements of a worker, for its ledgers."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, func, insert, literal_column, select, true
from sqlalchemy.engine import Dialect

from foretell.core.clock import Clock
from foretell.core.db import UtcDateTime
from foretell.jobs.claims import Claim, Work
from foretell.jobs.endings import Ending
from foretell.jobs.prepared import Prepared
from foretell.jobs.statements import (
    CLAIM_COLUMNS,
    COLUMNS,
    NOTIFY,
    NOW,
    statements_for,
)
from foretell.jobs.tables import JobAttempt, JobState

WOKEN_COLUMNS = [COLUMNS.id, COLUMNS.queue, COLUMNS.state]
UNTIL: Any = bindparam("until", None, type_=UtcDateTime())
_PREFIX = "new_"
_JOB_ID: Any = bindparam("job_id", None, type_=COLUMNS.id.type)
_TOKEN: Any = bindparam("token", None, type_=COLUMNS.token.type)
_PARENT_ID: Any = bindparam("parent_id", None, type_=COLUMNS.parent_id.type)
_ATTEMPT = JobAttempt.__table__.c


def argument(name: str, column: Any) -> Any:
    """A place for a value of a column."""
    return bindparam(name, None, type_=column.type)


def moment(now: datetime) -> dict[str, Any]:
    """Arguments that every statement takes."""
    return {"now": now, "clock": now.timestamp()}


def written(values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Arguments of a statement that writes `values`, by column."""
    return {**moment(now), **{_PREFIX + name: v for name, v in values.items()}}


class Plans:
    """Statements of one worker, each compiled when first needed."""

    def __init__(self, dialect: Dialect, work: Work, clock: Clock) -> None:
        self._dialect = dialect
        self._sql = statements_for(dialect.name)
        self._work = work
        self._clock = clock
        self.due = Prepared(self._sql.due(NOW, work.tasks, work.queues), dialect)
        self.claim = Prepared(self._claim(), dialect, CLAIM_COLUMNS)
        self.note = Prepared(insert(JobAttempt).values(_noted()), dialect)
        self.child_ended = Prepared(
            self._sql.child_ended(_PARENT_ID, NOW).returning(*WOKEN_COLUMNS),
            dialect,
            WOKEN_COLUMNS,
        )
        self.next_due = Prepared(
            self._sql.next_due(NOW, UNTIL, work.tasks), dialect, [COLUMNS.run_at]
        )
        self.end = lru_cache(maxsize=64)(self._end)
        self.settle = lru_cache(maxsize=64)(self._settle)

    def now(self) -> dict[str, Any]:
        """Arguments that every statement takes."""
        return moment(self._clock.now())

    def until(self, seconds: float) -> dict[str, Any]:
        """Arguments of `next_due`."""
        now = self._clock.now()
        return {**moment(now), "until": now + timedelta(seconds=seconds)}

    def ended(
        self, claim: Claim, ending: Ending, progress: Any
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The columns that an ending changes, and the arguments of `end`, `note`
        and `settle` for it."""
        values = {**(progress or {}), **ending.values}
        arguments = {
            **written(values, self._clock.now()),
            "job_id": claim.id,
            "token": claim.token,
            "parent_id": claim.parent_id,
            "note_attempt": claim.attempt,
            "note_worker": claim.worker,
            "note_started_at": claim.started_at,
            "note_outcome": ending.outcome,
            "note_error": ending.error,
        }
        return tuple(sorted(values)), arguments

    def _claim(self) -> Any:
        work = self._work
        lease = work.lease_seconds
        return self._sql.claim_next(work.tasks, work.queues, work.worker, NOW, lease)

    def _ending(self, names: Iterable[str], is_final: bool) -> Any:
        values = {name: argument(_PREFIX + name, COLUMNS[name]) for name in names}
        return self._sql.end(_JOB_ID, _TOKEN, values, NOW, is_final=is_final)

    def _end(self, names: tuple[str, ...], is_final: bool) -> Prepared:
        """Leave `running`."""
        return Prepared(self._ending(names, is_final), self._dialect)

    def _settle(
        self,
        names: tuple[str, ...],
        is_final: bool,
        wants_next: bool,
        has_parent: bool = False,
    ) -> Prepared:
        """Everything at a job's end in one statement: leave `running`, note the
        try, tell the parent, claim the next, and say who came back to the queue to
        those who listen. The first column of the answer counts what ended, then
        comes a parent that was woken, if there may be one."""
        ending = self._ending(names, is_final)
        told = () if is_final else (NOTIFY.label("notified"),)
        ended = ending.returning(COLUMNS.id, *told).cte("ended")
        noted = _noted()
        line = select(*(value for value in noted.values())).select_from(ended)
        note = insert(JobAttempt).from_select(list(noted), line).cte("noted")
        count = select(func.count()).select_from(ended)
        answer: list[Any] = [count.scalar_subquery().label("ended")]
        if has_parent:
            answer += self._woken(ended)
        one = select(*answer).subquery()
        if not wants_next:
            return Prepared(select(*one.c).add_cte(note), self._dialect)
        claim = self._claim().where(select(ended.c.id).exists()).cte("claimed")
        whole = select(*one.c, *(claim.c[c.name] for c in CLAIM_COLUMNS))
        joined = whole.select_from(one.outerjoin(claim, true())).add_cte(note)
        first: list[Any] = [literal_column("0").label(c.name) for c in one.c]
        return Prepared(joined, self._dialect, [*first, *CLAIM_COLUMNS])

    def _woken(self, ended: Any) -> list[Any]:
        """Queue of a parent whose last child ended."""
        told = self._sql.child_ended(_PARENT_ID, NOW)
        told = told.where(select(ended.c.id).exists())
        parent = told.returning(COLUMNS.queue, COLUMNS.state).cte("told")
        is_woken = parent.c.state == JobState.QUEUED
        queue = select(parent.c.queue).where(is_woken)
        said = select(NOTIFY).select_from(parent).where(is_woken)
        return [
            queue.scalar_subquery().label("woken"),
            said.scalar_subquery().label("said"),
        ]


def _noted() -> dict[str, Any]:
    """The line of `job_attempts`, as arguments."""
    names = ("attempt", "worker", "started_at", "outcome", "error")
    return {
        "job_id": _JOB_ID,
        "token": _TOKEN,
        **{name: argument(f"note_{name}", _ATTEMPT[name]) for name in names},
        "finished_at": NOW,
    }
