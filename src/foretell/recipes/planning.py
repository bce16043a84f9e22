"""The columns of a table as a recipe changes them, and what is wrong with a step.

A step is planned before it runs: from the columns it gets it tells those it gives, or
what does not fit, by a pointer into itself (`/columns/0`). No data library is needed
for that, so a recipe is refused before a job is made of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from foretell.core.columns import ColumnType
from foretell.errors import FieldError
from foretell.expressions.check import check, parse_condition
from foretell.expressions.errors import ExpressionError, near_names
from foretell.expressions.own import OwnFunction
from foretell.expressions.parser import parse
from foretell.expressions.typed import TypedNode
from foretell.tabular.python_steps import PythonStep

R = TypeVar("R")
Types = frozenset[ColumnType]
TEXT: Types = frozenset({ColumnType.TEXT})
NUMBERS: Types = frozenset({ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DECIMAL})
DAYS: Types = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})
ORDERED: Types = (
    NUMBERS | DAYS | TEXT | {ColumnType.TIME, ColumnType.DURATION, ColumnType.BOOLEAN}
)
PLAIN: Types = ORDERED
"""Types whose values can be compared, grouped and written as text."""

MAX_COLUMNS = 10_000


class StepFault(Exception):
    """A step does not fit; its pointers start at the step.

    Args:
        context: Further members of the problem.
    """

    def __init__(self, errors: Iterable[FieldError], **context: Any) -> None:
        super().__init__()
        self.errors = list(errors)
        self.context = context


def fault(pointer: str, message: str, code: str) -> StepFault:
    return StepFault([FieldError(pointer, message, code)])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a recipe may use beside the table.

    Attributes:
        functions: Of extensions, in expressions.
        steps: Python steps of extensions, by name.
        tables: Columns of the other datasets that steps and checks name, by the
            pointer of the step (`/steps/2`).
    """

    functions: Mapping[str, OwnFunction] = field(default_factory=dict)
    steps: Mapping[str, PythonStep] = field(default_factory=dict)
    tables: Mapping[str, "Columns"] = field(default_factory=dict)


class Columns(Mapping[str, ColumnType]):
    """Columns by name, in order; a step makes new ones and changes none.

    Args:
        here: Pointer of the step that is planned, for looking up its other table.
    """

    def __init__(
        self,
        types: Mapping[str, ColumnType],
        surroundings: Surroundings | None = None,
        here: str = "",
    ) -> None:
        self._types = dict(types)
        self.surroundings = surroundings or Surroundings()
        self.here = here

    def __getitem__(self, name: str) -> ColumnType:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def at(self, here: str) -> "Columns":
        """The same columns for the step at `here`."""
        return Columns(self._types, self.surroundings, here)

    def having(self, types: Mapping[str, ColumnType]) -> "Columns":
        """Other columns in the same surroundings.

        Raises:
            StepFault: They are none, or too many.
        """
        if not types:
            raise fault("", "No column would be left.", "no_columns")
        if len(types) > MAX_COLUMNS:
            message = f"There would be more than {MAX_COLUMNS} columns."
            raise fault("", message, "too_many_columns")
        return Columns(types, self.surroundings, self.here)

    def adding(self, types: Mapping[str, ColumnType]) -> "Columns":
        """These columns and more; one of the same name is replaced in its place."""
        return self.having({**self._types, **types})

    def other(self) -> "Columns":
        """The columns of the dataset that the step names."""
        return self.surroundings.tables[self.here]

    # --- demands ----------------------------------------------------------------

    def demand(
        self,
        wanted: Iterable[tuple[str, str]],
        types: Types | None = None,
        *,
        what: str = "This",
    ) -> None:
        """Refuse columns that are not there or of other types, all at once.

        Args:
            wanted: Pairs of pointer and name.
        """
        errors = []
        for pointer, name in wanted:
            if name not in self._types:
                errors.append(self._unknown(pointer, name))
            elif types is not None and self._types[name] not in types:
                message = (
                    f"{what} takes columns of type {_or(types)}; {name!r} is of type "
                    f"{self._types[name]}."
                )
                errors.append(FieldError(pointer, message, "column_type"))
        if errors:
            raise StepFault(errors)

    def demand_listed(
        self, names: Iterable[str], types: Types | None = None, *, what: str = "This"
    ) -> None:
        """The same for a list at `/columns`."""
        wanted = [(f"/columns/{index}", name) for index, name in enumerate(names)]
        self.demand(wanted, types, what=what)

    def demand_free(self, pointer: str, name: str) -> None:
        """Refuse a new name that a column has already."""
        if name in self._types:
            raise fault(pointer, f"There is a column {name!r} already.", "name_taken")

    def _unknown(self, pointer: str, name: str) -> FieldError:
        near = near_names(name, self._types)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        message = f"There is no column {name[:80]!r} at this step.{hint}"
        return FieldError(pointer, message, "column_unknown")

    # --- expressions ------------------------------------------------------------

    def condition(self, text: str, pointer: str) -> TypedNode:
        """Read a condition over these columns."""
        functions = self.surroundings.functions
        return _read(lambda: parse_condition(text, self._types, functions), pointer)

    def expression(self, text: str, pointer: str) -> TypedNode:
        """Read an expression over these columns."""
        functions = self.surroundings.functions
        return _read(lambda: check(parse(text), self._types, functions), pointer)


def read_syntax(text: str, pointer: str) -> None:
    """Refuse an expression that cannot be read whatever the columns are."""
    _read(lambda: parse(text), pointer)


def _read(read: Callable[[], R], pointer: str) -> R:
    try:
        return read()
    except ExpressionError as error:
        found = FieldError(pointer, error.detail, "expression_invalid")
        raise StepFault([found], **error.context) from None


def _or(types: Types) -> str:
    return " or ".join(sorted(types))
