"""A recipe as it is written: read, checked, and its errors pointed at.

Steps and checks are read one by one, by the model that their name says, because the
steps of extensions bring models of their own and a pointer should be `/steps/1/columns/0`
whatever the kind of step is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from foretell.errors import FieldError
from foretell.expressions.errors import near_names
from foretell.recipes.cell_steps import CELL_STEPS
from foretell.recipes.checks import CHECKS, Check
from foretell.recipes.errors import RecipeInvalid
from foretell.recipes.planning import Columns, StepFault
from foretell.recipes.row_steps import ROW_STEPS
from foretell.recipes.step_base import Part, Step, given
from foretell.tabular.python_steps import PythonStep, StepInvalid

MAX_STEPS = 200
MAX_CHECKS = 200
P = TypeVar("P", bound=Part)
R = TypeVar("R")

STEPS: Mapping[str, type[Step]] = {
    str(kind.model_fields["step"].annotation.__args__[0]): kind  # type: ignore[union-attr]
    for kind in (*CELL_STEPS, *ROW_STEPS)
}
CHECKS_BY_NAME: Mapping[str, type[Check]] = {
    str(kind.model_fields["check"].annotation.__args__[0]): kind  # type: ignore[union-attr]
    for kind in CHECKS
}


class OwnStep(Step):
    """A Python step of an extension."""

    step: str
    options: dict[str, Any] = Field(default_factory=dict)

    def plan(self, columns: Columns) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps in their order, then checks of what comes out."""

    steps: Sequence[Step]
    checks: Sequence[Check]

    def parts(self) -> list[tuple[str, Part]]:
        """Steps and checks with their pointers."""
        steps = [(f"/steps/{i}", step) for i, step in enumerate(self.steps)]
        return [*steps, *((f"/checks/{i}", c) for i, c in enumerate(self.checks))]

    def to_json(self) -> dict[str, Any]:
        """As it was written."""
        return {
            "steps": [_written(step) for step in self.steps],
            "checks": [given(check) for check in self.checks],
        }

    @property
    def may_reject(self) -> bool:
        """Whether rows may go to the rejects."""
        return any(step.may_reject for step in self.steps) or any(
            check.severity == "reject" for check in self.checks
        )

    def plan(self, columns: Columns) -> Columns | None:
        """The columns it gives, as far as they can be told before it runs.

        Raises:
            RecipeInvalid: A step or check does not fit.
        """
        found: Columns | None = columns
        for index, step in enumerate(self.steps):
            if found is None:
                return None
            found = planned(step, found, f"/steps/{index}")
        if found is not None:
            self.plan_checks(found)
        return found

    def plan_checks(self, columns: Columns) -> None:
        """Raise `RecipeInvalid` for a check that does not fit the columns."""
        for index, check in enumerate(self.checks):
            here = f"/checks/{index}"
            pointed(here, partial(check.plan, columns.at(here)))


def planned(step: Step, columns: Columns, here: str) -> Columns | None:
    """The columns after a step; see `Step.plan`."""
    return pointed(here, lambda: step.plan(columns.at(here)))


def read_recipe(
    steps: Sequence[Any], checks: Sequence[Any], own: Mapping[str, PythonStep]
) -> Recipe:
    """Read what was written.

    Args:
        own: Python steps of extensions, by name.

    Raises:
        RecipeInvalid: With a pointer for everything that is wrong.
    """
    reader = _Reader(own)
    found = Recipe(
        reader.read_all("/steps", steps, reader.step, MAX_STEPS),
        reader.read_all("/checks", checks, reader.check, MAX_CHECKS),
    )
    reader.check_syntax(found.parts())
    if reader.errors:
        raise RecipeInvalid(reader.errors, **reader.context)
    return found


class _Reader:
    def __init__(self, own: Mapping[str, PythonStep]) -> None:
        self._own = own
        self.errors: list[FieldError] = []
        self.context: dict[str, Any] = {}

    def read_all(
        self,
        pointer: str,
        items: Sequence[Any],
        read: Callable[[str, Any], P | None],
        most: int,
    ) -> list[P]:
        if len(items) > most:
            message = f"There are {len(items)}; {most} are the most."
            self.errors.append(FieldError(pointer, message, "too_long"))
            return []
        found = [read(f"{pointer}/{index}", item) for index, item in enumerate(items)]
        return [part for part in found if part is not None]

    def step(self, pointer: str, item: Any) -> Step | None:
        name = self._name(pointer, item, "step", (*STEPS, *self._own))
        if name is None:
            return None
        if name in self._own:
            return self._own_step(pointer, item, self._own[name])
        return self._model(pointer, item, STEPS[name])

    def check(self, pointer: str, item: Any) -> Check | None:
        name = self._name(pointer, item, "check", CHECKS_BY_NAME)
        return (
            None if name is None else self._model(pointer, item, CHECKS_BY_NAME[name])
        )

    def check_syntax(self, parts: Iterable[tuple[str, Part]]) -> None:
        for pointer, part in parts:
            try:
                part.check_syntax()
            except StepFault as fault:
                self.errors += _below(pointer, fault.errors)
                self.context = self.context or fault.context

    def _name(
        self, pointer: str, item: Any, kind: str, known: Iterable[str]
    ) -> str | None:
        name = item.get(kind) if isinstance(item, dict) else None
        if not isinstance(name, str):
            message = f"Must be an object that names its {kind}."
            self.errors.append(FieldError(f"{pointer}/{kind}", message, "missing"))
            return None
        if name in known:
            return name
        near = near_names(name, known)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        message = f"There is no {kind} {name[:80]!r}.{hint}"
        self.errors.append(FieldError(f"{pointer}/{kind}", message, f"{kind}_unknown"))
        return None

    def _model(self, pointer: str, item: Any, kind: type[P]) -> P | None:
        try:
            return kind.model_validate(item)
        except ValidationError as error:
            self.errors += _below(pointer, _fields(error, kind))
            return None

    def _own_step(self, pointer: str, item: Any, step: PythonStep) -> Step | None:
        options = {name: value for name, value in item.items() if name != "step"}
        try:
            step.check(options)
        except StepInvalid as error:
            self.errors += _below(pointer, error.errors)
            return None
        return OwnStep(step=step.name, options=options)


def _written(step: Step) -> dict[str, Any]:
    if isinstance(step, OwnStep):
        return {"step": step.step, **step.options}
    return given(step)


def _fields(error: ValidationError, kind: type[BaseModel]) -> list[FieldError]:
    return [
        FieldError(
            _pointer(item["loc"], kind),
            str(item["msg"]).removeprefix("Value error, "),
            str(item["type"]),
        )
        for item in error.errors()
    ]


def _pointer(loc: Sequence[int | str], kind: type[BaseModel]) -> str:
    """The place of an error without the words Pydantic adds for the forms of a union
    (`list[…]`, `[key]`), which nobody wrote."""
    parts: list[str] = []
    for index, part in enumerate(loc):
        text = str(part)
        is_form = index > 0 and isinstance(part, str) and _is_form(text)
        if not is_form and text != "[key]":
            parts.append(text.replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{part}" for part in parts)


_FORMS = ("str", "int", "float", "bool")


def _is_form(text: str) -> bool:
    return text in _FORMS or text.startswith(
        ("list[", "dict[", "constrained-", "function-", "nullable[")
    )


def _below(pointer: str, errors: Iterable[FieldError]) -> list[FieldError]:
    return [FieldError(pointer + e.pointer, e.message, e.code) for e in errors]


def pointed(here: str, plan: Callable[[], R]) -> R:
    """What `plan` gives; a fault of a step becomes one of the recipe.

    Raises:
        RecipeInvalid: With pointers below `here`.
    """
    try:
        return plan()
    except StepFault as fault:
        raise RecipeInvalid(_below(here, fault.errors), **fault.context) from None
