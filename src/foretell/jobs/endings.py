"""How a try of a job ends: what the row becomes, and when it runs again.

The rules stand here as plain functions because three parties apply them: the
runner (the try ended by itself), the supervisor (its worker died) and the sweep
(its lease passed).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from foretell.jobs.claims import Claim
from foretell.jobs.errors import JobTimedOut, WorkersLost
from foretell.jobs.failures import problem_of
from foretell.jobs.tables import AttemptOutcome, JobState

MAX_DEATHS = 5
_LONGEST_DELAY_SECONDS = 600.0
_LONGEST_DEATH_DELAY_SECONDS = 30.0


class Held(Protocol):
    """The facts of a running job that decide what comes next."""

    @property
    def attempt(self) -> int: ...
    @property
    def max_attempts(self) -> int: ...
    @property
    def deaths(self) -> int: ...
    @property
    def timeout_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """The columns to write and the line for the table of attempts."""

    outcome: AttemptOutcome
    values: Mapping[str, Any]
    error: Mapping[str, Any] | None = None

    @property
    def state(self) -> JobState:
        return JobState(self.values["state"])


def _final(state: JobState, now: datetime, **values: Any) -> dict[str, Any]:
    return {"state": state, "active_key": None, "finished_at": now, **values}


def succeeded(result: Any, target: str | None, now: datetime) -> Ending:
    values = _final(JobState.SUCCEEDED, now, result=result, error=None, deaths=0)
    if target is not None:
        values["target"] = target
    return Ending(AttemptOutcome.SUCCEEDED, values)


def cancelled(now: datetime) -> Ending:
    return Ending(AttemptOutcome.CANCELLED, _final(JobState.CANCELLED, now))


def timed_out(job: Held, now: datetime) -> Ending:
    error = problem_of(JobTimedOut(job.timeout_seconds))
    values = _final(JobState.FAILED, now, error=error, deaths=0)
    return Ending(AttemptOutcome.TIMED_OUT, values, error)


def failed(
    job: Held, error: Mapping[str, Any], delay: float | None, now: datetime
) -> Ending:
    """A try that raised: again after `delay` seconds, or the end (`None`)."""
    if delay is None or job.attempt >= job.max_attempts:
        values = _final(JobState.FAILED, now, error=error, deaths=0)
    else:
        run_at = now + timedelta(seconds=delay)
        values = {"state": JobState.QUEUED, "run_at": run_at, "error": error}
        values["deaths"] = 0
    return Ending(AttemptOutcome.FAILED, values, error)


def waiting(job: Claim, now: datetime) -> Ending:
    """The function asked for children: the job goes on, without a worker, and what
    still holds its token writes no more."""
    values = {
        "state": JobState.RUNNING,
        "waits_since": now,
        "waits_for": 0,
        "token": job.token + 1,
        "attempt": job.attempt - 1,
        "deaths": 0,
    }
    return Ending(AttemptOutcome.WAITS, values)


def released(job: Held, run_at: datetime) -> Ending:
    """Given back by a worker that stops: the try does not count."""
    values = {
        "state": JobState.QUEUED,
        "run_at": run_at,
        "attempt": job.attempt - 1,
    }
    return Ending(AttemptOutcome.RELEASED, values)


def worker_died(
    job: Held, now: datetime, *, is_cancelled: bool, is_overdue: bool
) -> Ending:
    """The worker is gone. That uses no attempt, but five in a row are enough."""
    if is_cancelled:
        return cancelled(now)
    if is_overdue:
        return timed_out(job, now)
    deaths = job.deaths + 1
    if deaths >= MAX_DEATHS:
        error = problem_of(WorkersLost(deaths))
        values = _final(JobState.FAILED, now, error=error, deaths=deaths)
        return Ending(AttemptOutcome.WORKER_DIED, values, error)
    values = {
        "state": JobState.QUEUED,
        "attempt": job.attempt - 1,
        "deaths": deaths,
    }
    # The first death is most often nobody's fault: run at once, before what came
    # later. A job that kills its worker again and again must not keep the others
    # waiting.
    if deaths > 1:
        delay = min(2.0 ** (deaths - 2), _LONGEST_DEATH_DELAY_SECONDS)
        values["run_at"] = now + timedelta(seconds=delay)
    return Ending(AttemptOutcome.WORKER_DIED, values)


def retry_delay(attempt: int, *, at_least: float = 0.0) -> float:
    """Seconds before the next try: 1, 2, 4 … up to ten minutes, half of it jitter.

    Source:
        "Equal jitter" of M. Brooker, "Exponential Backoff And Jitter", 2015.
    """
    longest = min(2.0 ** (attempt - 1), _LONGEST_DELAY_SECONDS)
    return max(at_least, longest / 2 + random.uniform(0, longest / 2))  # noqa: S311
