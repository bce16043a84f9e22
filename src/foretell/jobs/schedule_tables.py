"""The tables of schedules: when jobs begin by themselves, and what came of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Double, String
from sqlalchemy.orm import Mapped, mapped_column

from foretell.core.db import Base


class Overlap(StrEnum):
    """What a tick does while a job of an earlier tick is active."""

    SKIP = "skip"
    QUEUE = "queue"


class CatchUp(StrEnum):
    """Which ticks run that came while no server did."""

    NONE = "none"
    ONE = "one"
    ALL = "all"


class TickOutcome(StrEnum):
    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    REFUSED = "refused"


class Schedule(Base):
    """When a task runs by itself, and for whom.

    Attributes:
        cron, every_seconds: One of them.
        anchor: From where an interval counts.
        pause: Why it does not tick; null while it does.
        next_tick: The first tick that nobody handled; null while paused.
    """

    __tablename__ = "schedules"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    owner_id: Mapped[str] = mapped_column(String(36))
    task: Mapped[str] = mapped_column(String(100))
    args: Mapped[dict[str, Any]] = mapped_column(JSON)
    cron: Mapped[str | None] = mapped_column(String(200))
    every_seconds: Mapped[float | None] = mapped_column(Double)
    timezone: Mapped[str] = mapped_column(String(64))
    overlap: Mapped[str] = mapped_column(String(8))
    catch_up: Mapped[str] = mapped_column(String(8))
    pause: Mapped[str | None] = mapped_column(String(200))
    anchor: Mapped[datetime]
    next_tick: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class ScheduleTick(Base):
    """One handled tick. Its key is why each runs once, however many servers look."""

    __tablename__ = "schedule_ticks"

    schedule_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tick: Mapped[datetime] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[str | None] = mapped_column(String(36))
    error: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
