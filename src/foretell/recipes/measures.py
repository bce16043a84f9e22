"""Measures of groups: `count`, `mean(x)`, `sum("Sepal Length")`."""

import re
from dataclasses import dataclass

from foretell.core.columns import ColumnType
from foretell.expressions.errors import near_names
from foretell.recipes.planning import NUMBERS, ORDERED, PLAIN, Columns, Types, fault

_FORM = re.compile(r'\s*([a-z_]+)\s*(?:\(\s*(?:"((?:[^"]|"")+)"|([^()"]+?))\s*\))?\s*')
_SAME = None
_FUNCTIONS: dict[str, tuple[Types, ColumnType | None]] = {
    "count": (PLAIN, ColumnType.INTEGER),
    "distinct": (PLAIN, ColumnType.INTEGER),
    "sum": (NUMBERS, _SAME),
    "mean": (NUMBERS, ColumnType.FLOAT),
    "median": (NUMBERS, ColumnType.FLOAT),
    "std": (NUMBERS, ColumnType.FLOAT),
    "min": (ORDERED, _SAME),
    "max": (ORDERED, _SAME),
    "first": (PLAIN, _SAME),
    "last": (PLAIN, _SAME),
}
MEASURES = tuple(_FUNCTIONS)


@dataclass(frozen=True, slots=True)
class Measure:
    """A function of the values of a column in a group; nulls are left out.

    Attributes:
        column: `None` for `count`, which counts rows.
    """

    function: str
    column: str | None

    def plan(self, columns: Columns, pointer: str) -> ColumnType:
        """The type of its value.

        Raises:
            StepFault: The column is not there, or of another type.
        """
        if self.column is None:
            return ColumnType.INTEGER
        takes, gives = _FUNCTIONS[self.function]
        columns.demand([(pointer, self.column)], takes, what=self.function)
        return gives or columns[self.column]


def parse_measure(text: str, pointer: str) -> Measure:
    """Read a measure.

    Raises:
        StepFault: It is none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise fault(pointer, "Write count, or as in mean(x).", "measure_invalid")
    name, quoted, plain = found.groups()
    if name not in _FUNCTIONS:
        near = near_names(name, _FUNCTIONS)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(_FUNCTIONS)
        message = f"There is no measure {name!r}; there are: {known}.{hint}"
        raise fault(pointer, message, "measure_unknown")
    column = plain if quoted is None else quoted.replace('""', '"')
    if column is None and name != "count":
        raise fault(pointer, f"Say of which column: {name}(x).", "measure_invalid")
    return Measure(name, column)
