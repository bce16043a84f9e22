"""Fan-out: one job, a child for each shard, and no worker that waits.

`JobContext.map` asks for children by raising `FanOut`. The runner stores them and
lets the parent wait, in one transaction; the last child to end brings the parent
back to the queue, in the transaction of its end. Then the parent's function is
called again, from the start, and `map` gives it the results. So nothing that a dead
worker could take along holds a fan-out together: a shard that finished has a row
that says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from foretell.jobs.errors import ShardsFailed, TaskFailed
from foretell.jobs.registry import Task, TaskRegistry
from foretell.jobs.tables import JobState

MAX_SHARDS = 10_000


@dataclass(frozen=True, slots=True)
class Shard:
    """What became of one child.

    Attributes:
        error: The problem of one that failed.
    """

    id: str
    task: str
    state: JobState
    result: Any
    error: Any = None


class FanOut(BaseException):
    """Unwinds a parent's function. Not an `Exception`, so that a task's own `except
    Exception` does not swallow it.

    Attributes:
        task, shards: Task and arguments of the children that are to be made; none
            when they exist and some have not ended.
        at_once: How many of them may run at the same time; `None`: all.
    """

    def __init__(
        self, stage: int, task: Task, shards: Sequence[BaseModel], at_once: int | None
    ) -> None:
        super().__init__("the job waits for its children")
        self.stage = stage
        self.task = task
        self.shards = shards
        self.at_once = at_once


def checked(
    registry: TaskRegistry,
    task: Callable[..., Any] | str,
    shards: Iterable[Mapping[str, Any] | BaseModel],
) -> tuple[Task, list[BaseModel]]:
    """The task of a fan-out and the checked arguments of its shards.

    Raises:
        TaskUnknown: There is no such task.
        TaskArgumentsInvalid: A shard's arguments do not fit it.
        TaskFailed: There are more than `MAX_SHARDS`.
    """
    known = registry.get(task) if isinstance(task, str) else registry.of(task)
    args: list[BaseModel] = []
    for shard in shards:
        if len(args) == MAX_SHARDS:
            raise TaskFailed(f"A fan-out has at most {MAX_SHARDS} shards.")
        args.append(known.check(shard))
    return known, args


def results_of(
    found: Sequence[Shard],
    stage: int,
    task: Task,
    args: Sequence[BaseModel],
    **how: Any,
) -> list[Any]:
    """The results of the children, in the order of the shards.

    Raises:
        FanOut: They do not exist yet, or some have not ended.
        ShardsFailed: All ended, not all well.
        TaskFailed: The function asks for other children than the first time.
    """
    if not found:
        raise FanOut(stage, task, args, **how)
    if len(found) != len(args) or found[0].task != task.name:
        raise TaskFailed(
            "job.map() was called with other shards than the first time; what a job "
            "does before it must not depend on the moment."
        )
    if not all(shard.state.is_final for shard in found):
        raise FanOut(stage, task, (), **how)
    failed = [shard for shard in found if shard.state != JobState.SUCCEEDED]
    if failed:
        raise ShardsFailed(len(failed), len(found), failed[0].id, failed[0].error)
    return [shard.result for shard in found]
