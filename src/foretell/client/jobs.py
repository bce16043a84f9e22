"""Jobs: submit, read, wait with progress."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from foretell.client.calls import Call, as_json, get, path, post
from foretell.client.errors import JobCancelled, ServerUnreachable, WaitedTooLong
from foretell.client.operations import Listen, Pause, Procedure, call, several
from foretell.client.problems import error_of_problem
from foretell.client.shapes import LAST_STATES, Job, JobEvent, Page

OnEvent = Callable[[JobEvent], None]
# A restarting server is back within seconds; past this it is down.
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.5
# Less than the server's pings are apart: a quiet stream ends here, so that the time
# limit is kept and the job asked for.
_QUIET_SECONDS = 12.0


@call
def submit_job(
    task: str, args: Mapping[str, Any] | None = None, **options: Any
) -> Call[Job]:
    """Start a task; options are those of `POST /api/jobs` (queue, priority, …)."""
    body = {"task": task, "args": dict(args or {}), **options}
    return post(path("jobs"), as_json(Job), json=body)


@call
def list_jobs(
    state: str | None = None,
    task: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Call[Page[Job]]:
    """One page of jobs, newest first."""
    parameters = {"state": state, "task": task, "limit": limit, "cursor": cursor}
    return get(path("jobs"), as_json(Page[Job]), **parameters)


@call
def get_job(job_id: str) -> Call[Job]:
    """One job as it stands."""
    return get(path("jobs", job_id), as_json(Job))


@call
def job_log(job_id: str) -> Call[str]:
    """What a job wrote, as text."""
    return get(path("jobs", job_id, "log"), lambda response: response.text)


@call
def cancel_job(job_id: str) -> Call[Job]:
    """Ask a job to stop."""
    return post(path("jobs", job_id, "cancel"), as_json(Job))


@call
def retry_job(job_id: str) -> Call[Job]:
    """Run a failed or cancelled job again, under the same id."""
    return post(path("jobs", job_id, "retry"), as_json(Job))


@several
def wait_for_job(
    job_id: str,
    *,
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
) -> Procedure[Job]:
    """Wait until a job ends, whatever its end, and give it.

    Follows the job's events, goes on after the last one when the connection breaks
    (`Last-Event-ID`), and asks for the job where there is no stream. A server that
    restarts meanwhile is waited for.

    Args:
        on_event: Called for each state, progress and log line.

    Raises:
        WaitedTooLong: The time is over; the job goes on.
        ServerUnreachable: The server has been away for half a minute.
    """
    started = reached = time.monotonic()
    last_id: str | None = None

    def left() -> float:
        if timeout_seconds is None:
            return _QUIET_SECONDS
        seconds = started + timeout_seconds - time.monotonic()
        if seconds <= 0:
            raise WaitedTooLong(job_id, timeout_seconds)
        return seconds

    def note(event_id: str, event: JobEvent) -> None:
        nonlocal last_id
        last_id = event_id or last_id
        if on_event is not None:
            on_event(event)
        if event["kind"] != "state":
            left()

    while True:
        try:
            quiet = min(_QUIET_SECONDS, left())
            yield Listen(path("jobs", job_id, "events"), last_id, note, quiet)
            job = yield from get_job.steps(job_id)
            reached = time.monotonic()
        except ServerUnreachable:
            if time.monotonic() - reached > _PATIENCE_SECONDS:
                raise
        else:
            if job["state"] in LAST_STATES:
                return job
        yield Pause(min(_POLL_SECONDS, left()))


def succeeded(
    job: Job, on_event: OnEvent | None, timeout_seconds: float | None
) -> Procedure[dict[str, Any]]:
    """Wait for a job and give its result.

    Raises:
        foretell.errors.ForetellError: What the job failed with.
        JobCancelled: It was cancelled.
    """
    ended = yield from wait_for_job.steps(
        job["id"], on_event=on_event, timeout_seconds=timeout_seconds
    )
    if ended["state"] == "cancelled":
        raise JobCancelled(ended["id"])
    if ended["state"] == "failed":
        raise error_of_problem(ended.get("error") or {"detail": "The job failed."})
    result = ended.get("result")
    return result if isinstance(result, dict) else {}
