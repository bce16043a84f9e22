"""The prepared statements of a worker, for its ledgers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, func, insert, literal_column, select, true
from sqlalchemy.engine import Dialect

from foretell.core.clock import Clock
from foretell.jobs.claims import Claim, Work
from foretell.jobs.endings import Ending
from foretell.jobs.prepared import Prepared
from foretell.jobs.statements import CLAIM_COLUMNS, COLUMNS, NOW, statements_for
from foretell.jobs.tables import JobAttempt

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
        self.child_ended = Prepared(self._sql.child_ended(_PARENT_ID, NOW), dialect)
        self.end = lru_cache(maxsize=64)(self._end)
        self.settle = lru_cache(maxsize=64)(self._settle)

    def now(self) -> dict[str, Any]:
        """Arguments that every statement takes."""
        return moment(self._clock.now())

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
        try, tell the parent, claim the next. The first column of the answer counts
        what ended."""
        returning = self._ending(names, is_final).returning(COLUMNS.id)
        ended = returning.cte("ended")
        noted = _noted()
        line = select(*(value for value in noted.values())).select_from(ended)
        note = insert(JobAttempt).from_select(list(noted), line).cte("noted")
        notes = [note]
        if has_parent:
            told = self._sql.child_ended(_PARENT_ID, NOW)
            told = told.where(select(ended.c.id).exists())
            notes.append(told.returning(COLUMNS.id).cte("told"))
        count = select(func.count().label("ended")).select_from(ended)
        if not wants_next:
            return Prepared(count.add_cte(*notes), self._dialect)
        claim = self._claim().where(select(ended.c.id).exists()).cte("claimed")
        one = select(count.scalar_subquery().label("ended")).subquery()
        answer = select(one.c.ended, *(claim.c[c.name] for c in CLAIM_COLUMNS))
        whole = answer.select_from(one.outerjoin(claim, true())).add_cte(*notes)
        columns = [literal_column("0").label("ended"), *CLAIM_COLUMNS]
        return Prepared(whole, self._dialect, columns)


def _noted() -> dict[str, Any]:
    """The line of `job_attempts`, as arguments."""
    names = ("attempt", "worker", "started_at", "outcome", "error")
    return {
        "job_id": _JOB_ID,
        "token": _TOKEN,
        **{name: argument(f"note_{name}", _ATTEMPT[name]) for name in names},
        "finished_at": NOW,
    }
