"""Functions of a team's own in the expression language.

A function of one row, by its annotations: what it takes and gives is a column type, and
both compilers call it, so a condition means the same for a table and for a row. It is
strict (null where an argument is null) and total (null where it raises ValueError or
ArithmeticError); whatever else it raises is a fault. It runs in the server's own
process, so it must be quick, and give the same answer to the same arguments.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from foretell.core.columns import ColumnType
from foretell.errors import Invalid
from foretell.expressions.functions import ALIASES, FUNCTIONS
from foretell.expressions.tokens import KEYWORDS

_TYPES: Mapping[Any, ColumnType] = {
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    float: ColumnType.FLOAT,
    str: ColumnType.TEXT,
    date: ColumnType.DATE,
    datetime: ColumnType.TIMESTAMP,
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_INTEGERS = range(-(2**63), 2**63)


class FunctionInvalid(Invalid):
    """A function cannot be one of the expression language."""

    slug = "function-invalid"


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """One function that an extension adds.

    Attributes:
        parameters: Types of its arguments, in order.
        function: Called with the values of one row, none of them null.
    """

    name: str
    parameters: tuple[ColumnType, ...]
    result: ColumnType
    function: Callable[..., Any]

    @classmethod
    def of(cls, function: Callable[..., Any], name: str | None = None) -> "OwnFunction":
        """Read the types from the annotations of `function`.

        Raises:
            FunctionInvalid: The name is taken or no word of the language, or an
                annotation is missing or no type of the language.
        """
        name = name or function.__name__
        if not _NAME.fullmatch(name) or name in KEYWORDS:
            raise FunctionInvalid(f"{name!r} cannot be the name of a function.")
        if name in FUNCTIONS or name in ALIASES:
            raise FunctionInvalid(f"The language has a function {name!r} already.")
        hints = get_type_hints(function)
        wanted = inspect.signature(function).parameters
        if not wanted:
            raise FunctionInvalid(f"The function {name!r} takes no argument.")
        types = [_type_of(name, hints, parameter) for parameter in wanted]
        return cls(name, tuple(types), _type_of(name, hints, "return"), function)

    @property
    def place(self) -> str:
        """Where a child finds the function, `module:name`."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(self.parameters)})"

    def __call__(self, *values: Any) -> Any:
        """The value for one row, as a value of the language.

        Raises:
            TypeError: The function gave something else than it says.
        """
        try:
            value = self.function(*values)
        except (ValueError, ArithmeticError):
            return None
        return None if value is None else self._fitting(value)

    def _fitting(self, value: Any) -> Any:
        if self.result is ColumnType.FLOAT and type(value) in (int, float):
            value = float(value)
            return value if math.isfinite(value) else None
        if self.result is ColumnType.INTEGER and type(value) is int:
            return value if value in _INTEGERS else None
        if _TYPES.get(type(value)) is not self.result:
            raise TypeError(f"{self.signature} gave a {type(value).__name__}")
        return value


OwnFunctions = Mapping[str, OwnFunction]


def _type_of(name: str, hints: Mapping[str, Any], part: str) -> ColumnType:
    kind = hints.get(part)
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    plain = [k for k in kinds if k is not NoneType]
    if len(plain) != 1 or plain[0] not in _TYPES:
        known = ", ".join(kind.__name__ for kind in _TYPES)
        raise FunctionInvalid(
            f"{part!r} of the function {name!r} must be annotated with one of {known}."
        )
    return _TYPES[plain[0]]
