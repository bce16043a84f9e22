"""Steps of a recipe in Python: a table in, a table out, options by name and type.

A step is a function of an extension. It gets a `polars.LazyFrame` and gives one; what
it takes beside that are its options, checked when a recipe is saved and not when it
runs. This module holds no data library: steps run in the children that have one.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from foretell.errors import FieldError, Invalid


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
    """

    name: str
    function: Callable[..., Any]
    options: type[BaseModel]
    description: str = ""

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
        return cls(name, function, model, inspect.getdoc(function) or "")

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
