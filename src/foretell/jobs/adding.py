"""New jobs as rows: one statement for each, compiled once.

A column that a job leaves empty is not in its statement. The moment of the change is
the database's clock; where that is the host's own (SQLite) nothing has to be answered,
and the statement travels with the commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import insert, literal_column, select
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

from foretell.core.ids import new_id
from foretell.core.unanswered import run_unanswered, wait_for_company
from foretell.jobs.plans import argument, moment
from foretell.jobs.ports import Waiting
from foretell.jobs.prepared import Prepared
from foretell.jobs.statements import COLUMNS, NOTIFY, NOW, statements_for
from foretell.jobs.tables import Job, JobState

# How every job begins.
_FIRST: Mapping[str, Any] = {
    "state": JobState.QUEUED.value,
    "attempt": 0,
    "deaths": 0,
    "token": 0,
    "progress_done": 0,
    "seq": 1,
}
_LITERALS: dict[str, Any] = {
    name: literal_column(repr(value)) for name, value in _FIRST.items()
}


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a submission decides about a job."""

    task: str
    args: Mapping[str, Any]
    args_version: int
    owner_id: str | None
    max_attempts: int
    timeout_seconds: float
    queue: str = "default"
    priority: int = 0
    run_at: datetime | None = None
    unique_key: str | None = None
    parent_id: str | None = None
    stage: int | None = None
    shard: int | None = None
    target: str | None = None
    objects: Sequence[str] = ()
    schedule_id: str | None = None
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    expires_at: datetime | None = None


class Insertion:
    """The statement that stores one job, ready to run; on PostgreSQL it also tells
    those who listen.

    Args:
        key: The job's active key, which may be taken.

    Attributes:
        waiting: What workers are told.
    """

    def __init__(
        self, dialect: Dialect, new: NewJob, key: str | None, now: datetime
    ) -> None:
        self._row = _row_of(new, now)
        if key is not None:
            self._row["active_key"] = key
        self._now = now
        self.waiting = _waiting(self._row, new)
        plan = _insertion(dialect, tuple(self._row), True)
        self._text = plan.text
        self._arguments = plan.arguments(moment(now) | self._row)
        self._is_sqlite = dialect.name == "sqlite"
        self._cannot_fail = self._is_sqlite and key is None

    def at_leisure(self, session: Session) -> Job | None:
        """Leave it to the session's commit where that can be done; no waiting."""
        if self._cannot_fail and wait_for_company(session, self._text, self._arguments):
            return self._job(self._now.timestamp())
        return None

    def run(self, session: Session) -> Job | str:
        """Run it; answers the id alone where the database does not say what it
        wrote."""
        if self._cannot_fail:
            run_unanswered(session, self._text, self._arguments)
            return self._job(self._now.timestamp())
        arguments = tuple(self._arguments)
        answer = session.connection().exec_driver_sql(self._text, arguments)
        if self._is_sqlite:
            return self._job(self._now.timestamp())
        if answer.returns_rows:
            return self._job(answer.scalars().one())
        return str(self._row["id"])

    def _job(self, changed_at: float) -> Job:
        # Past the instrumentation of 30 attributes: nobody adds it to a session.
        job = Job()
        job.__dict__.update(_FIRST)
        job.__dict__.update(self._row)
        job.__dict__["changed_at"] = changed_at
        return job


def insert_many(
    session: Session, news: Iterable[NewJob], now: datetime
) -> list[Waiting]:
    """Store jobs without unique keys, in one go; answers what workers are told."""
    pairs = [(new, _row_of(new, now)) for new in news]
    if not pairs:
        return []
    names = tuple(dict.fromkeys(name for _, row in pairs for name in row))
    dialect = session.get_bind().dialect
    plan = _insertion(dialect, names, False)
    moments = moment(now)
    arguments = [tuple(plan.arguments(moments | row)) for _, row in pairs]
    connection = session.connection()
    connection.exec_driver_sql(plan.text, arguments)
    if dialect.name == "postgresql":
        connection.execute(select(NOTIFY))
    return [_waiting(row, new) for new, row in pairs]


@lru_cache(maxsize=256)
def _insertion(dialect: Dialect, names: Sequence[str], answers: bool) -> Prepared:
    """Stores a job, of which these columns are given."""
    sql = statements_for(dialect.name)
    values = {name: argument(name, COLUMNS[name]) for name in names}
    clock = sql.clock(NOW)
    statement: Any = insert(Job).values(**values, **_LITERALS, changed_at=clock)
    if answers and dialect.name == "postgresql":
        statement = statement.returning(COLUMNS.changed_at, NOTIFY)
    return Prepared(statement, dialect)


def _waiting(row: Mapping[str, Any], new: NewJob) -> Waiting:
    return Waiting(row["id"], new.queue, new.run_at)


def _row_of(new: NewJob, now: datetime) -> dict[str, Any]:
    """Columns that are not empty and not the same for all."""
    row = {
        "id": new_id(),
        "task": new.task,
        "args": dict(new.args),
        "args_version": new.args_version,
        "queue": new.queue,
        "rank": -new.priority,
        "objects": list(new.objects),
        "run_at": new.run_at or now,
        "created_at": now,
        "max_attempts": new.max_attempts,
        "timeout_seconds": new.timeout_seconds,
    }
    for name in _OPTIONAL:
        if (value := getattr(new, name)) is not None:
            row[name] = value
    return row


_OPTIONAL = (
    "unique_key",
    "owner_id",
    "parent_id",
    "stage",
    "shard",
    "schedule_id",
    "concurrency_key",
    "concurrency_limit",
    "expires_at",
    "target",
)
