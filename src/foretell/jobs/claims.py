"""A running job as its worker holds it, and what a worker asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Claim:
    """A running job as its worker holds it; `token` goes with every write."""

    id: str
    task: str
    queue: str
    args: Mapping[str, Any]
    args_version: int
    owner_id: str | None
    parent_id: str | None
    shard: int | None
    attempt: int
    max_attempts: int
    deaths: int
    timeout_seconds: float
    concurrency_key: str | None
    concurrency_limit: int | None
    token: int
    worker: str
    started_at: datetime

    @classmethod
    def of(cls, row: Any) -> "Claim":
        return cls(**{name: getattr(row, name) for name in cls.__slots__})


CLAIMED: tuple[str, ...] = tuple(Claim.__slots__)


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker takes: tasks it has, queues it serves (none = all)."""

    worker: str
    tasks: tuple[str, ...]
    queues: tuple[str, ...]
    lease_seconds: float
