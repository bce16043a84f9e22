"""Steps of a recipe in Python: a table in, a table out, options by name and type.

A step is a function of an extension. It gets the kind of table that its first parameter
is annotated with, a `polars.LazyFrame` (the default), a `polars.DataFrame` or a
`pandas.DataFrame`, and gives one; what it takes beside that are its options, checked when
a recipe is saved and not when it runs. This module holds no data library: steps run in
the children that have one.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from foretell.errors import FieldError, Invalid

FrameKind = Literal["lazy", "polars", "pandas"]


class StepInvalid(Invalid):
    """A function cannot be a step, or its options do not fit."""

    slug = "step-invalid"


@dataclass(frozen=True, slots=True)
class PythonStep:
    """One step that an extension adds.

    Attributes:
        name: `extension.function`.
        function: Called with the table, then its options by name.
        options: Model of the options.
        frame: The kind of table that it gets.
    """

    name: str
    function: Callable[..., Any]
    options: type[BaseModel]
    description: str = ""
    frame: FrameKind = "lazy"

    @property
    def place(self) -> str:
        """Where a child finds the function, `module:name`."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @classmethod
    def of(cls, function: Callable[..., Any], name: str) -> "PythonStep":
        """Read the options from the parameters after the first.

        Raises:
            StepInvalid: There is no parameter for the table, or one is not annotated.
        """
        table, *others = inspect.signature(function).parameters.values() or (None,)
        if table is None:
            raise StepInvalid(f"The step {name!r} takes no table.")
        hints = get_type_hints(function)
        bare = [p.name for p in others if p.name not in hints]
        if bare:
            raise StepInvalid(f"The option {bare[0]!r} of {name!r} has no type.")
        fields: dict[str, Any] = {
            p.name: (hints[p.name], ... if p.default is p.empty else p.default)
            for p in others
        }
        model = create_model(
            "StepOptions", __config__=ConfigDict(extra="forbid"), **fields
        )
        kind = _frame_of(hints.get(table.name))
        return cls(name, function, model, inspect.getdoc(function) or "", kind)

    def check(self, options: Mapping[str, Any]) -> BaseModel:
        """Validate options.

        Raises:
            StepInvalid: With a pointer for each wrong one.
        """
        try:
            return self.options.model_validate(dict(options))
        except ValidationError as error:
            fields = [
                FieldError(
                    "".join(f"/{part}" for part in item["loc"]),
                    str(item["msg"]),
                    str(item["type"]),
                )
                for item in error.errors()
            ]
            raise StepInvalid(
                f"The options do not fit the step {self.name!r}.", errors=fields
            ) from None

    def run(self, table: Any, options: BaseModel) -> Any:
        """The table that the step makes; `table` stays as it is."""
        names = type(options).model_fields
        return self.function(table, **{n: getattr(options, n) for n in names})


def _frame_of(hint: Any) -> FrameKind:
    """The kind of table an annotation asks for; told by names, so that no library of
    tables is loaded for it."""
    module = str(getattr(hint, "__module__", "")).partition(".")[0]
    if module == "pandas":
        return "pandas"
    is_eager = module == "polars" and getattr(hint, "__name__", "") == "DataFrame"
    return "polars" if is_eager else "lazy"
