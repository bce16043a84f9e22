"""The spec: what a project holds, as `backend.toml` says it.

Names and types are checked here, so that a project is written whole or not at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    field_validator,
    model_validator,
)

from foretell.builder import fields as field_language
from foretell.builder.errors import FieldRefused, NameRefused
from foretell.builder.names import ResourceName, identifier, resource_name
from foretell.builder.resource_code import ResourcePlan

Database = Literal["sqlite", "postgres", "mysql"]
JobExecutor = Literal["embedded", "celery"]
Host = Literal["fastapi", "django", "flask"]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Pydantic collects no other errors than ValueError."""
    try:
        yield
    except (FieldRefused, NameRefused) as refusal:
        raise ValueError(refusal.detail) from None


def _relative(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text:
        raise ValueError("is a path below the project's folder, such as data/sales.csv")
    return text


LocalPath = Annotated[str, Field(min_length=1), AfterValidator(_relative)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _fields_of(written: dict[str, str]) -> dict[str, str]:
    for name, kind in written.items():
        with _as_value_error():
            field_language.make_field(name, kind)
    return written


Fields = Annotated[
    dict[str, str],
    AfterValidator(_fields_of),
    Field(
        description="Type by name, as on the command line: str text int float decimal "
        "bool date datetime uuid json ref:NAME, then ? optional, ! unique, ^ indexed."
    ),
]


class ResourceSpec(_Part):
    """A table with an API of its own."""

    fields: Fields = Field(min_length=1)
    owned: bool = Field(False, description="Each row belongs to who made it.")
    description: str = Field("", max_length=200, description="Docstring of the model.")


class TaskSpec(_Part):
    """A function that runs in the background."""

    args: Fields = Field({}, description="Types of its arguments; no ref, ! or ^.")
    max_attempts: int = Field(3, ge=1, le=100)
    timeout_seconds: int = Field(3600, ge=1, le=7 * 24 * 3600)
    description: str = Field("", max_length=200, description="Docstring of the task.")

    @field_validator("args")
    @classmethod
    def _plain(cls, value: dict[str, str]) -> dict[str, str]:
        for name, kind in value.items():
            field = field_language.make_field(name, kind)
            if field.target or field.is_unique or field.is_indexed:
                raise ValueError(f"{name}: an argument has a plain type, such as str?")
        return value


class ScheduleSpec(_Part):
    """When a task runs by itself."""

    task: str = Field(min_length=1, description="A task of this file, or EXT.NAME.")
    args: dict[str, Any] = {}
    cron: str | None = Field(None, description="Five fields: 0 3 * * *")
    every_s: int | None = Field(None, ge=1, description="Seconds between runs.")
    timezone: str = "UTC"
    overlap: Literal["skip", "queue"] = "skip"
    paused: bool = False

    @field_validator("cron")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            _demand_cron(value)
        return value

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.cron is None) == (self.every_s is None):
            raise ValueError("give either cron or every_s")
        return self


class DatasetSpec(_Part):
    """A table that a file of the project fills."""

    file: LocalPath
    options: dict[str, Any] = Field({}, description="Import options.")


class ModelSpec(_Part):
    """A trained model of the project's folder."""

    file: LocalPath
    example: LocalPath | None = Field(None, description="Sample rows, CSV.")
    alias: ObjectName | None = Field(None, description="Points at the new version.")


class AuthSpec(_Part):
    """Who may come in, and as what."""

    signup: Literal["closed", "open"] = "closed"
    password_min: int = Field(8, ge=8, le=128)
    roles: dict[EmailStr, Literal["viewer", "editor", "admin"]] = Field(
        {}, description="Role by e-mail, given to accounts when they are there."
    )


class Spec(_Part):
    """A whole project."""

    description: str = Field("", max_length=200, description="One line about it.")
    db: Database = "sqlite"
    jobs: JobExecutor = "embedded"
    host: Host = "fastapi"
    resources: dict[str, ResourceSpec] = {}
    tasks: dict[str, TaskSpec] = {}
    schedules: dict[ObjectName, ScheduleSpec] = {}
    datasets: dict[ObjectName, DatasetSpec] = {}
    models: dict[ObjectName, ModelSpec] = {}
    auth: AuthSpec = AuthSpec()

    @field_validator("resources")
    @classmethod
    def _resources(cls, value: dict[str, ResourceSpec]) -> dict[str, ResourceSpec]:
        with _as_value_error():
            names = [resource_name(name) for name in value]
            if len({name.plural for name in names}) < len(names):
                raise ValueError("two resources have the same plural")
        return value

    @field_validator("tasks")
    @classmethod
    def _tasks(cls, value: dict[str, TaskSpec]) -> dict[str, TaskSpec]:
        with _as_value_error():
            for name in value:
                identifier("task", name)
        return value

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        with _as_value_error():
            resource_plans(self)
        return self


def resource_plans(spec: Spec) -> list[ResourcePlan]:
    """The resources, each after those it refers to.

    Raises:
        FieldRefused: One refers to what is not there, or two to each other.
    """
    plans = {
        name.singular: ResourcePlan(
            name, tuple(_parsed(part.fields)), part.owned, part.description
        )
        for name, part in ((resource_name(n), p) for n, p in spec.resources.items())
    }
    order: TopologicalSorter[str] = TopologicalSorter()
    for plan in plans.values():
        check_references(plan, [other.name for other in plans.values()])
        targets = [target.singular for _, target in plan.references]
        order.add(plan.name.singular, *(t for t in targets if t != plan.name.singular))
    try:
        return [plans[name] for name in order.static_order()]
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise FieldRefused(
            circle, "resources that refer to each other cannot be made one by one"
        ) from None


def check_references(plan: ResourcePlan, known: list[ResourceName]) -> None:
    """Raise `FieldRefused` for a reference to a resource that is not there."""
    for field, target in plan.references:
        if target not in known and target != plan.name:
            names = ", ".join(sorted(name.singular for name in known)) or "none"
            raise FieldRefused(
                f"{field.name}:ref:{target.singular}",
                f"there is no such resource; there are: {names}",
            )
        if target == plan.name and not field.is_nullable:
            raise FieldRefused(
                f"{field.name}:ref:{plan.name.singular}",
                "the first row could not be made; let it be optional (?)",
            )


def _parsed(written: dict[str, str]) -> list[field_language.Field]:
    return field_language.parse_fields([f"{n}:{kind}" for n, kind in written.items()])


def _demand_cron(text: str) -> None:
    try:
        CronSim(text, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"is no cron rule: {error}") from None
