"""Server-Sent Events of jobs: states, progress, log lines, resumable.

An event's id is where a client that lost the connection goes on: for one job its
position and the bytes of log already sent (`7.1024`), for all jobs the moment of
the change. A stream ends at the job's last state, or after `LONGEST_SECONDS` so
that a revoked credential does not listen for ever; a browser comes back by itself.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path

from foretell.core.principal import Principal
from foretell.jobs.logs import log_path, read_log
from foretell.jobs.schemas import JobRead
from foretell.jobs.service import may_see
from foretell.jobs.tables import Job, JobState
from foretell.jobs.watcher import SLACK_SECONDS, Watcher

LONGEST_SECONDS = 900.0
_LOG_SECONDS = 0.25
_PING_SECONDS = 15.0
_PING = b": ping\n\n"
_JOB_POSITION = re.compile(r"^(\d{1,18})\.(\d{1,18})$")
_MOMENT = re.compile(r"^\d{1,12}\.\d{1,7}$")


def _event(kind: str, position: str, data: str) -> bytes:
    # Only these three end a line there; U+2028 and the like are text.
    lines = data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    body = "".join(f"data: {line}\n" for line in lines)
    return f"event: {kind}\nid: {position}\n{body}\n".encode()


# All listeners are handed the same objects: one is written down once for all of them.
@lru_cache(maxsize=512)
def _state_of(job: Job) -> str:
    return JobRead.model_validate(job).model_dump_json()


@lru_cache(maxsize=512)
def _event_of(job: Job, kind: str) -> bytes:
    return _event(kind, f"{job.changed_at:.6f}", _state_of(job))


def _kind_of(job: Job, last_state: str | None) -> str:
    return "progress" if job.state == last_state == JobState.RUNNING else "state"


async def events_of_job(
    watcher: Watcher, data_dir: Path, job_id: str, last_event_id: str | None
) -> AsyncIterator[bytes]:
    """`state`, `progress` and `log` events of one job, until it is over."""
    found = _JOB_POSITION.match(last_event_id or "")
    seq, offset = (int(found[1]), int(found[2])) if found else (-1, 0)
    path = log_path(data_dir, job_id)
    last_state: str | None = None
    loop = asyncio.get_running_loop()
    started = quiet_since = loop.time()
    # A client that knows the last state still gets it once more: it cannot tell
    # otherwise that the stream is over.
    with watcher.subscribed(job_id, after=seq - 1) as subscription:
        while loop.time() - started < LONGEST_SECONDS:
            jobs = await subscription.take(_LOG_SECONDS)
            lines, offset = await asyncio.to_thread(_new_lines, path, offset)
            if lines:
                yield _event("log", f"{max(seq, 0)}.{offset}", lines)
            for job in jobs:
                seq = job.seq
                yield _event(
                    _kind_of(job, last_state), f"{seq}.{offset}", _state_of(job)
                )
                last_state = job.state
                if JobState(job.state).is_final:
                    return
            if jobs or lines:
                quiet_since = loop.time()
            elif loop.time() - quiet_since > _PING_SECONDS:
                quiet_since = loop.time()
                yield _PING


def _new_lines(path: Path, offset: int) -> tuple[str, int]:
    """Whole lines of the log from `offset` on, and the offset behind them."""
    data = read_log(path, offset)
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode("utf-8", "replace").rstrip("\n"), offset + len(whole)


async def events_of_all(
    watcher: Watcher, principal: Principal, last_event_id: str | None
) -> AsyncIterator[bytes]:
    """`state` and `progress` events of every job that the caller may see."""
    states: dict[str, str] = {}
    loop = asyncio.get_running_loop()
    started = quiet_since = loop.time()
    with watcher.subscribed(None) as subscription:
        backlog: list[Job] = []
        if last_event_id is not None and _MOMENT.match(last_event_id):
            since = float(last_event_id) - SLACK_SECONDS
            backlog = await watcher.changed_after(since)
        else:
            since = await watcher.moment()
        yield _PING
        while loop.time() - started < LONGEST_SECONDS:
            jobs = backlog or await subscription.take(_PING_SECONDS)
            backlog = []
            news = []
            for job in jobs:
                if job.changed_at >= since and may_see(principal, job):
                    news.append(_event_of(job, _kind_of(job, states.get(job.id))))
                    states[job.id] = job.state
                if JobState(job.state).is_final:
                    states.pop(job.id, None)
            if news:
                yield b"".join(news)
                quiet_since = loop.time()
            if loop.time() - quiet_since > _PING_SECONDS:
                quiet_since = loop.time()
                yield _PING
