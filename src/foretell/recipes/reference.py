"""Write the reference page of steps and checks from their models.

`python -m foretell.recipes.reference > docs/reference/recipes.md` renews the page; a
test compares the two.
"""

import inspect
import sys
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from foretell.recipes.measures import MEASURES
from foretell.recipes.recipe import CHECKS_BY_NAME, MAX_CHECKS, MAX_STEPS, STEPS

_HEAD = f"""\
# Recipes

A recipe is a list of steps and a list of checks: `{{"steps": […], "checks": […]}}`, at most {MAX_STEPS} and
{MAX_CHECKS}. The steps run in their order; the checks look at the rows that come out. [Clean a table](../how-to/clean-a-table.md)
shows one at work; [expressions](expressions.md) are those of `where`.

- **Every row is accounted for.** A step tells rows in and out, changed and rejected. A cell that does not fit a `cast` or
  `parse_date` puts its row among the rejects, with the number of the row in the source version and the row as it was; so
  does a check of severity `reject`, once for a row, with all the checks that it breaks.
- **Severities**: `reject` (the default) puts the row among the rejects; `warn` counts it and shows some; `fail` makes no
  version at all.
- **Null** breaks `not_null` alone, as in SQL; it equals nothing in a join, and itself in `dedupe` and groups. It is sorted
  last both ways. **NaN** equals itself, is above every number, and is in no `range`; means of `fill` leave it out.
- **Memory**: steps on single rows go through the table in batches. `dedupe` and `unique` hold their keys, `join` the other
  table, `sort`, `window` and Python steps the whole table; a run that needs more than `FORETELL_WORKER_MEMORY` ends with a
  problem and makes nothing.
- **Measures** of `aggregate`: {", ".join(f"`{name}`" for name in MEASURES)}; `count` alone counts rows, the others leave
  nulls out and name a column: `mean(x)`, `sum("Sepal Length")`.
- **Python steps** of an [extension](../how-to/extend-it.md) are named `extension.function` and take their options beside
  `step`: `{{"step": "shop.top", "count": 3}}`.
"""


def reference_page() -> str:
    """Give the reference page in Markdown."""
    parts = [_HEAD, "## Steps\n"]
    parts += [_part("step", name, kind) for name, kind in STEPS.items()]
    parts.append("## Checks\n\nEach takes `severity` beside what is named here.\n")
    parts += [_part("check", name, kind) for name, kind in CHECKS_BY_NAME.items()]
    return "\n".join(parts)


def _part(word: str, name: str, kind: type[BaseModel]) -> str:
    lines = [f"### `{name}`", "", inspect.getdoc(kind) or "", ""]
    rows = [
        f"| `{field}` | {_type(found.annotation)} | {_default(found)} | {found.description or ''} |"
        for field, found in kind.model_fields.items()
        if field not in (word, "severity")
    ]
    if rows:
        lines += ["| field | takes | without it | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _default(field: Any) -> str:
    if field.is_required():
        return "needed"
    if field.default is PydanticUndefined:
        return "`[]`"
    return "" if field.default is None else f"`{str(field.default).lower()}`"


def _type(annotation: Any) -> str:
    """What a field takes, in the words of JSON."""
    origin = getattr(annotation, "__origin__", None)
    arguments: tuple[Any, ...] = getattr(annotation, "__args__", ())
    if getattr(annotation, "__metadata__", None):
        return _type(origin)
    name = getattr(origin, "__name__", "") if origin else ""
    if name == "list":
        return f"list of {_type(arguments[0])}"
    if name == "dict":
        return f"object: {_type(arguments[1])} by {_type(arguments[0])}"
    if name == "Literal" or str(origin) == "typing.Literal":
        return ", ".join(f"`{value}`" for value in arguments)
    if arguments:
        words = dict.fromkeys(_type(a) for a in arguments if a is not type(None))
        return " or ".join(words)
    return _WORDS.get(annotation, "value")


_WORDS = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}


if __name__ == "__main__":
    sys.stdout.write(reference_page())
