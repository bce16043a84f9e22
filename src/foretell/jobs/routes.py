"""Jobs over HTTP: submit, look, watch, cancel, try again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.http.dependencies import (
    DEFAULT_OBJECTS,
    CurrentUser,
    Cursor,
    ObjectLimit,
    Settings,
)
from foretell.http.listing import page_response
from foretell.http.routing import requires, router
from foretell.http.schemas import ListOf
from foretell.jobs.dependencies import Jobs, WatcherDep
from foretell.jobs.events import events_of_all, events_of_job
from foretell.jobs.logs import log_path, read_log
from foretell.jobs.schemas import AttemptRead, JobRead, JobSubmit, TaskRead
from foretell.jobs.tables import Job, JobState

routes = router("/api", tags=["jobs"])
LastEventId = Annotated[str | None, Header(max_length=64)]

_READS = [requires(Scope.JOBS_READ)]
_WRITES = [requires(Scope.JOBS_WRITE)]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `state`, `progress` and `log`.",
        # Without a schema: it would be one of a whole body, which a stream is not.
        "content": {"text/event-stream": {}},
    }
}


def locate(request: Request, response: Response, job: Job) -> None:
    """Name the job in the answer's `Location`."""
    root_path = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root_path}/api/jobs/{job.id}"


@routes.post("/jobs", status_code=202, response_model=JobRead, dependencies=_WRITES)
async def submit_job(
    body: JobSubmit, request: Request, response: Response, user: CurrentUser, jobs: Jobs
) -> Job:
    """Run a task in the background. The answer comes at once; `Prefer: wait=N` waits
    for the end and answers 200, however it ended."""
    job = await jobs.request(
        user,
        body.task,
        body.args,
        queue=body.queue,
        priority=body.priority,
        run_at=body.run_at,
        unique_key=body.unique_key,
        max_attempts=body.max_attempts,
        timeout_seconds=body.timeout_s,
        concurrency_key=body.concurrency_key,
        concurrency_limit=body.concurrency_limit,
        expires_at=body.expires_at,
    )
    locate(request, response, job)
    return job


@routes.get("/jobs", response_model=ListOf[JobRead], dependencies=_READS)
async def list_jobs(
    request: Request,
    response: Response,
    user: CurrentUser,
    jobs: Jobs,
    state: JobState | None = None,
    task: Annotated[str | None, Query(max_length=100)] = None,
    parent_id: Annotated[str | None, Query(max_length=36)] = None,
    limit: ObjectLimit = DEFAULT_OBJECTS,
    cursor: Cursor = None,
) -> Page[Job]:
    """Your jobs, the newest first; an admin sees everybody's."""
    page = await jobs.list_page(
        user, state=state, task=task, parent_id=parent_id, cursor=cursor, limit=limit
    )
    return page_response(request, response, page)


@routes.get("/jobs/{job_id}", response_model=JobRead, dependencies=_READS)
async def get_job(
    job_id: str,
    response: Response,
    user: CurrentUser,
    jobs: Jobs,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Job | Response:
    """One job. Its `ETag` changes with it, so polling with `If-None-Match` is cheap."""
    job = await jobs.get(user, job_id)
    tag = f'"{job.seq}"'
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return job


@routes.get(
    "/jobs/{job_id}/log",
    response_class=PlainTextResponse,
    dependencies=_READS,
)
async def read_job_log(
    job_id: str,
    user: CurrentUser,
    jobs: Jobs,
    settings: Settings,
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
) -> PlainTextResponse:
    """What the job said, as text, from a byte `offset` on: at most 1 MiB at a time.
    `X-Next-Offset` says where to go on."""
    job = await jobs.get(user, job_id)
    path = log_path(settings.data_dir, job.id)
    data = await asyncio.to_thread(read_log, path, offset)
    return PlainTextResponse(
        data.decode("utf-8", "replace"),
        headers={"X-Next-Offset": str(offset + len(data))},
    )


@routes.get(
    "/jobs/{job_id}/attempts",
    response_model=ListOf[AttemptRead],
    dependencies=_READS,
)
async def list_attempts(
    job_id: str, user: CurrentUser, jobs: Jobs
) -> ListOf[AttemptRead]:
    """Tries of a job that ended, the first one first."""
    found = await jobs.attempts(user, job_id)
    return ListOf(items=[AttemptRead.model_validate(item) for item in found])


@routes.post("/jobs/{job_id}/cancel", response_model=JobRead, dependencies=_WRITES)
async def cancel_job(job_id: str, user: CurrentUser, jobs: Jobs) -> Job:
    """Stop a job: a queued one at once; a running one has `cancel_requested` until it
    has stopped, within seconds."""
    return await jobs.cancel(user, job_id)


@routes.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    response_model=JobRead,
    dependencies=_WRITES,
)
async def retry_job(
    job_id: str, request: Request, response: Response, user: CurrentUser, jobs: Jobs
) -> Job:
    """Run a failed or cancelled job again under the same id."""
    job = await jobs.retry(user, job_id)
    locate(request, response, job)
    return job


@routes.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=_STREAM,
    dependencies=_READS,
)
async def watch_job(
    job_id: str,
    user: CurrentUser,
    jobs: Jobs,
    watcher: WatcherDep,
    settings: Settings,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Server-Sent Events of one job until it is over; the last one is its last state.
    Resumable by `Last-Event-ID`."""
    job = await jobs.get(user, job_id)
    return _stream(events_of_job(watcher, settings.data_dir, job.id, last_event_id))


@routes.get(
    "/events",
    response_class=StreamingResponse,
    responses=_STREAM,
    dependencies=_READS,
)
async def watch_jobs(
    user: CurrentUser, watcher: WatcherDep, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Server-Sent Events of every job you may see, from now on or from
    `Last-Event-ID` on."""
    return _stream(events_of_all(watcher, user, last_event_id))


@routes.get("/tasks", response_model=ListOf[TaskRead], dependencies=_READS)
async def list_tasks(user: CurrentUser, jobs: Jobs) -> ListOf[TaskRead]:
    """Tasks that you may name in a job or schedule, with their arguments."""
    return ListOf(items=[TaskRead.of(task) for task in jobs.list_tasks(user)])


def _stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)
