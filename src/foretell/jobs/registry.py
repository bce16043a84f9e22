"""Tasks: named functions that jobs run, with typed, versioned arguments.

Each area has a `TaskRegistry` of its own in `tasks.py`; the composition root
includes them all in one. A task's arguments are a Pydantic model, given or made
from the function's signature, so that a wrong one is refused when the job is
submitted and not when it runs.
"""

import inspect
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import PydanticSerializationError, from_json, to_json

from foretell.core.principal import Principal
from foretell.core.texts import is_storable
from foretell.errors import FieldError
from foretell.jobs.errors import TaskArgumentsInvalid, TaskFailed, TaskUnknown

MAX_DEPTH = 20
_BAD_TEXT = "holds a NUL character or half a surrogate pair"
_HARMLESS = frozenset({int, bool, type(None)})
Function = TypeVar("Function", bound=Callable[..., Any])
# `(unit of work, caller, arguments)`: raises when an object that the arguments name
# does not exist for the caller.
Guard = Callable[[Any, Principal, Any], Awaitable[None]]
# `(arguments)`: `("models:predict", "churn")` for each object they name.
Objects = Callable[[Any], Iterable[tuple[str, str]]]
# `(version, stored arguments)`: the same arguments in today's form.
Upgrade = Callable[[int, dict[str, Any]], dict[str, Any]]


def _no_objects(_args: Any) -> Iterable[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True)
class Task:
    """One function that jobs may run.

    Attributes:
        name: `area.verb`.
        function: Called with a `JobContext`, then the arguments: one Pydantic
            model if it takes exactly that, else by keyword. Sync or async.
        args: Model of the arguments.
        version: Version of the arguments; raise it when their meaning changes. A
            job with a newer version waits for a newer worker.
        max_attempts: Tries when it fails in a way that may pass.
        timeout_seconds: Longest run of one try.
        scope: What a caller needs beyond `jobs:write`.
        objects: Scope and name of every object the arguments name.
        guard: Checks that those exist and are visible, before anything is queued.
        is_exposed: Whether `POST /api/jobs` and schedules may name it.
        is_admin_only: Whether only admins may, there.
        upgrade: Turns arguments of an older version into today's.
    """

    name: str
    function: Callable[..., Any]
    args: type[BaseModel]
    takes_model: bool
    version: int = 1
    max_attempts: int = 3
    timeout_seconds: float = 3600.0
    scope: str | None = None
    objects: Objects = _no_objects
    guard: Guard | None = None
    is_exposed: bool = True
    is_admin_only: bool = False
    upgrade: Upgrade | None = None
    description: str = ""
    queue: str = "default"

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    def check(self, args: Mapping[str, Any] | BaseModel) -> BaseModel:
        """Validate arguments; a model passes if it is the task's own.

        Raises:
            TaskArgumentsInvalid: With a pointer below `/args` for each wrong field.
        """
        if isinstance(args, self.args):
            return args
        given = args.model_dump() if isinstance(args, BaseModel) else dict(args)
        self._demand_storable(given)
        try:
            return self.args.model_validate(given)
        except ValidationError as error:
            raise TaskArgumentsInvalid(
                f"The arguments do not fit the task {self.name!r}.",
                errors=[_field_error(item) for item in error.errors()],
            ) from None

    def stored(self, args: BaseModel) -> dict[str, Any]:
        """Arguments as the JSON object that the job's row keeps.

        Raises:
            TaskArgumentsInvalid: They hold what not every database can store.
        """
        plain = dict(args.model_dump(mode="json"))
        self._demand_storable(plain)
        return plain

    def _demand_storable(self, args: Mapping[str, Any]) -> None:
        fault = unstorable(args)
        if fault is not None:
            pointer, message = fault
            raise TaskArgumentsInvalid(
                f"The arguments of {self.name!r} cannot be stored.",
                errors=[FieldError(f"/args{pointer}", message, "unstorable")],
            )

    def load(self, version: int, stored: Mapping[str, Any]) -> BaseModel:
        """Read arguments back, from an older version too."""
        args = dict(stored)
        if version < self.version and self.upgrade is not None:
            args = self.upgrade(version, args)
        return self.check(args)

    def call(self, job: Any, args: BaseModel) -> Any:
        """Call the function; the result is a coroutine if it is async."""
        if self.takes_model:
            return self.function(job, args)
        names = type(args).model_fields
        return self.function(job, **{name: getattr(args, name) for name in names})


def _field_error(item: Any) -> FieldError:
    path = "".join(f"/{_escaped(part)}" for part in item["loc"])
    return FieldError(f"/args{path}", str(item["msg"]), str(item["type"]))


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


@dataclass(slots=True)
class TaskRegistry:
    """Tasks by name."""

    _tasks: dict[str, Task] = field(default_factory=dict)

    def task(self, name: str, **options: Any) -> Callable[[Function], Function]:
        """Register the decorated function, which stays callable as it is.

        Args:
            name: `area.verb`, unique on the server.
            options: Fields of `Task`; `args` may be left to the signature.
        """

        def register(function: Function) -> Function:
            self.add(make_task(name, function, **options))
            return function

        return register

    def add(self, task: Task) -> None:
        if task.name in self._tasks:
            raise ValueError(f"the task {task.name!r} is registered twice")
        self._tasks[task.name] = task

    def include(self, *others: "TaskRegistry") -> "TaskRegistry":
        """Take over the tasks of others; answers itself."""
        for other in others:
            for task in other:
                self.add(task)
        return self

    def get(self, name: str) -> Task:
        """Raises `TaskUnknown` when no part registered `name`."""
        try:
            return self._tasks[name]
        except KeyError:
            raise TaskUnknown(name) from None

    def of(self, function: Callable[..., Any]) -> Task:
        """The task of a function. Raises `TaskUnknown` when it is none."""
        for task in self._tasks.values():
            if task.function is function:
                return task
        raise TaskUnknown(getattr(function, "__qualname__", repr(function)))

    def find(self, name: str) -> Task | None:
        return self._tasks.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._tasks))

    def __iter__(self) -> Any:
        return iter([self._tasks[name] for name in sorted(self._tasks)])

    def __len__(self) -> int:
        return len(self._tasks)


def make_task(name: str, function: Callable[..., Any], **options: Any) -> Task:
    """Make a task of a function; see `Task` for the options."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    hints = get_type_hints(function)
    given = options.pop("args", None)
    own = _own_model(parameters, hints)
    options.setdefault("description", inspect.getdoc(function) or "")
    return Task(
        name,
        function,
        args=given or own or _model_of(name, parameters, hints),
        takes_model=own is not None,
        **options,
    )


def _own_model(
    parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any]
) -> type[BaseModel] | None:
    if len(parameters) != 1:
        return None
    kind = hints.get(parameters[0].name)
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return kind if is_model else None


def _model_of(
    name: str, parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any]
) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for parameter in parameters:
        has_default = parameter.default is not inspect.Parameter.empty
        default = parameter.default if has_default else ...
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    title = "".join(part.title() for part in name.replace(".", "_").split("_"))
    return create_model(f"{title}Args", __config__=ConfigDict(extra="forbid"), **fields)


def jsonable(value: Any) -> Any:
    """A task's answer as JSON: models and dates become plain, NaN becomes null.

    Raises:
        TaskFailed: It cannot be JSON, or not on every database.
    """
    try:
        # Through text and back, since only the text form replaces NaN.
        plain = from_json(to_json(value, inf_nan_mode="null"))
    except (PydanticSerializationError, ValueError) as error:
        raise TaskFailed("The task's result is not JSON.") from error
    fault = unstorable(plain)
    if fault is not None:
        raise TaskFailed(f"The task's result cannot be stored: it {fault[1]}.")
    return plain


def unstorable(value: Any, depth: int = MAX_DEPTH) -> tuple[str, str] | None:
    """What keeps JSON out of some database: NUL and half surrogate pairs
    (PostgreSQL), NaN and infinity (all), more than 31 levels (MariaDB).

    Returns:
        Pointer and words of the first fault, or `None`.
    """
    if isinstance(value, str):
        return None if is_storable(value) else ("", _BAD_TEXT)
    if isinstance(value, float):
        return None if math.isfinite(value) else ("", "is not a finite number")
    if not isinstance(value, Mapping | list):
        return None
    if depth == 0:
        return "", f"is nested more than {MAX_DEPTH} levels deep"
    is_object = isinstance(value, Mapping)
    pairs: Iterable[tuple[Any, Any]]
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in pairs:
        if is_object and not is_storable(str(key)):
            return f"/{_escaped(key)}", _BAD_TEXT
        if type(item) not in _HARMLESS and (fault := unstorable(item, depth - 1)):
            return f"/{_escaped(key)}{fault[0]}", fault[1]
    return None
