"""Schedules: when tasks run by themselves."""

from collections.abc import Mapping
from typing import Any

from foretell.client.calls import Call, as_json, get, nothing, path, post
from foretell.client.operations import Procedure, call, several
from foretell.client.shapes import Job, Page, Schedule, Tick

# What PUT takes; the rest of an answer is the server's.
_SAID = ("task", "args", "cron", "every_s", "timezone", "overlap", "catch_up")


@call
def put_schedule(
    name: str, task: str, args: Mapping[str, Any] | None = None, **options: Any
) -> Call[Schedule]:
    """Make a schedule or replace it; options are those of `PUT /api/schedules/{name}`:
    `cron` or `every_s`, `timezone`, `overlap`, `catch_up`, `paused`."""
    body = {"task": task, "args": dict(args or {}), **options}
    return Call("PUT", path("schedules", name), as_json(Schedule), json=body)


@call
def get_schedule(name: str) -> Call[Schedule]:
    """One schedule, with its next five runs."""
    return get(path("schedules", name), as_json(Schedule))


@call
def list_schedules(limit: int = 100, cursor: str | None = None) -> Call[Page[Schedule]]:
    """One page of schedules, by name."""
    return get(path("schedules"), as_json(Page[Schedule]), limit=limit, cursor=cursor)


@call
def list_ticks(name: str) -> Call[Page[Tick]]:
    """The last ticks of a schedule and what came of them."""
    return get(path("schedules", name, "ticks"), as_json(Page[Tick]))


@call
def run_schedule(name: str) -> Call[Job]:
    """Start a job of the schedule now."""
    return post(path("schedules", name, "run"), as_json(Job))


@call
def delete_schedule(name: str) -> Call[None]:
    """Forget a schedule; its jobs stay."""
    return Call("DELETE", path("schedules", name), nothing)


@several
def pause_schedule(name: str, *, paused: bool = True) -> Procedure[Schedule]:
    """Stop a schedule's ticks, or let it go on with the next one."""
    found = yield from get_schedule.steps(name)
    body: Any = {k: v for k, v in found.items() if k in _SAID and v is not None}
    body["paused"] = paused
    changed = yield from put_schedule.steps(name, **body)
    return changed
