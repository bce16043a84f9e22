"""What all steps have in common."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from foretell.core.ids import NAME_PATTERN
from foretell.core.texts import storable
from foretell.recipes.planning import MAX_COLUMNS, Columns

MAX_EXPRESSION = 2_000
MAX_VALUES = 10_000
MAX_NUMBER = 2**31 - 1


def _distinct(names: Sequence[str]) -> Sequence[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"names {name[:80]!r} twice")
        seen.add(name)
    return names


StorableText = Annotated[str, Field(max_length=10_000), AfterValidator(storable)]
ColumnName = Annotated[
    str, Field(min_length=1, max_length=1_000), AfterValidator(storable)
]
ColumnNames = Annotated[
    list[ColumnName],
    Field(min_length=1, max_length=MAX_COLUMNS),
    AfterValidator(_distinct),
]
Expression = Annotated[
    str, Field(min_length=1, max_length=MAX_EXPRESSION), AfterValidator(storable)
]
DatasetName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=63)]
DatasetNumber = Annotated[int, Field(strict=True, ge=1, le=MAX_NUMBER)]
Value = bool | int | float | StorableText | None
OnError = Literal["reject", "null", "fail"]


class Part(BaseModel):
    """A step or a check: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def check_syntax(self) -> None:
        """Raise `StepFault` for what is wrong whatever the columns are."""

    def names_dataset(self) -> tuple[str, int | None] | None:
        """Name and version of another dataset that it reads."""
        return None


class Step(Part):
    """One step of a recipe."""

    def plan(self, columns: Columns) -> Columns | None:
        """The columns it gives; `None` where only the rows tell.

        Raises:
            StepFault: It does not fit the columns it gets.
        """
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """Its name: `trim`, or that of a Python step."""
        return str(getattr(self, "step", ""))

    @property
    def may_reject(self) -> bool:
        """Whether rows may go to the rejects."""
        return getattr(self, "on_error", None) == "reject"


def given(step: Part) -> dict[str, Any]:
    """The fields as they were written, without what was left out."""
    return step.model_dump(mode="json", exclude_unset=True)
