"""Schedules and queues over HTTP."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from foretell.core.ids import NAME_PATTERN
from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.http.dependencies import (
    DEFAULT_OBJECTS,
    CurrentUser,
    Cursor,
    ObjectLimit,
)
from foretell.http.listing import page_response
from foretell.http.routing import requires, router
from foretell.http.schemas import ListOf
from foretell.jobs.dependencies import Jobs, Now, Schedules
from foretell.jobs.routes import locate
from foretell.jobs.schedule_schemas import (
    QueueRead,
    QueueWrite,
    ScheduleRead,
    ScheduleWrite,
    TickRead,
)
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job

routes = router("/api", tags=["schedules"])
ObjectName = Annotated[str, Path(pattern=NAME_PATTERN, max_length=63)]
_READS = [requires(Scope.JOBS_READ)]
_WRITES = [requires(Scope.JOBS_WRITE)]


@routes.get("/schedules", response_model=ListOf[ScheduleRead], dependencies=_READS)
async def list_schedules(
    request: Request,
    response: Response,
    user: CurrentUser,
    schedules: Schedules,
    now: Now,
    limit: ObjectLimit = DEFAULT_OBJECTS,
    cursor: Cursor = None,
) -> Page[ScheduleRead]:
    """Your schedules, by name; an admin sees everybody's."""
    page = await schedules.list_page(user, cursor=cursor, limit=limit)
    items = [ScheduleRead.of(schedule, now) for schedule in page.items]
    return page_response(request, response, Page(items, page.next))


@routes.get("/schedules/{name}", response_model=ScheduleRead, dependencies=_READS)
async def get_schedule(
    name: ObjectName, user: CurrentUser, schedules: Schedules, now: Now
) -> ScheduleRead:
    """One schedule, with its next five runs."""
    return ScheduleRead.of(await schedules.get(user, name), now)


@routes.put(
    "/schedules/{name}",
    response_model=ScheduleRead,
    responses={201: {"model": ScheduleRead, "description": "It is new."}},
    dependencies=_WRITES,
)
async def put_schedule(
    name: ObjectName,
    body: ScheduleWrite,
    response: Response,
    user: CurrentUser,
    schedules: Schedules,
    now: Now,
) -> ScheduleRead:
    """Make a schedule, or replace what it says. Its jobs run with your rights, and
    every tick checks them and the objects that `args` names again."""
    schedule, is_new = await schedules.put(user, name, body.plan())
    response.status_code = 201 if is_new else 200
    return ScheduleRead.of(schedule, now)


@routes.delete("/schedules/{name}", status_code=204, dependencies=_WRITES)
async def delete_schedule(
    name: ObjectName, user: CurrentUser, schedules: Schedules
) -> None:
    """Forget a schedule. Jobs that it began stay and go on."""
    await schedules.delete(user, name)


@routes.post(
    "/schedules/{name}/run",
    status_code=202,
    response_model=JobRead,
    dependencies=_WRITES,
)
async def run_schedule(
    name: ObjectName,
    request: Request,
    response: Response,
    user: CurrentUser,
    schedules: Schedules,
) -> Job:
    """Run it now, beside its ticks, whether it is paused or busy."""
    job = await schedules.run(user, name)
    locate(request, response, job)
    return job


@routes.get(
    "/schedules/{name}/ticks", response_model=ListOf[TickRead], dependencies=_READS
)
async def list_ticks(
    name: ObjectName, user: CurrentUser, schedules: Schedules
) -> ListOf[TickRead]:
    """The last twenty ticks, the newest first: `submitted` with the job, `skipped`
    since an earlier job was active, or `refused` with the reason."""
    found = await schedules.ticks(user, name)
    return ListOf(items=[TickRead.model_validate(tick) for tick in found])


@routes.get("/queues", response_model=ListOf[QueueRead], dependencies=_READS)
async def list_queues(jobs: Jobs) -> ListOf[QueueRead]:
    """Queues that hold jobs or are paused, by name, with counts over all owners."""
    found = await jobs.queues()
    return ListOf(items=[QueueRead.model_validate(queue) for queue in found])


@routes.put("/queues/{name}", response_model=QueueRead, dependencies=_WRITES)
async def put_queue(
    name: ObjectName, body: QueueWrite, user: CurrentUser, jobs: Jobs
) -> QueueRead:
    """Pause a queue or open it again (admins). Running jobs go on; those that wait,
    and new ones, begin when it is open."""
    queue = await jobs.set_queue(user, name, is_paused=body.paused)
    return QueueRead.model_validate(queue)
