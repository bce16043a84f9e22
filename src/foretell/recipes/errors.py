"""What can be wrong with a recipe, in the words of recipes."""

from collections.abc import Sequence
from typing import Any

from foretell.errors import Conflict, FieldError, Invalid, NotFound


class RecipeNotFound(NotFound):
    """No recipe of that name that the caller may see."""

    slug = "recipe-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no recipe {name!r}.", recipe=name)


class RecipeVersionNotFound(NotFound):
    """The recipe has no such version."""

    slug = "recipe-version-not-found"

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"Recipe {name!r} has no version {version}.", recipe=name, version=version
        )


class RecipeNameTaken(Conflict):
    """Names are unique per server."""

    slug = "recipe-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name!r} is taken; choose another.", recipe=name)


class RecipeInvalid(Invalid):
    """Steps or checks are not written right, or do not fit the dataset's columns.

    Args:
        errors: Each with a pointer such as `/steps/1/columns/0`.
        context: `position` and `suggestions` of a wrong expression.
    """

    slug = "recipe-invalid"

    def __init__(self, errors: Sequence[FieldError], **context: Any) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        detail = f"{first.pointer}: {first.message}{more}"
        super().__init__(detail, errors=errors, **context)


class RecipeCheckFailed(Invalid):
    """Rows break a check of severity `fail`, so no version was made."""

    slug = "recipe-check-failed"

    def __init__(self, errors: Sequence[FieldError], **context: Any) -> None:
        super().__init__(
            "No version was made: " + " ".join(error.message for error in errors),
            errors=errors,
            **context,
        )


class RecipeStepFailed(Invalid):
    """A step met what it cannot go on with: a cell with `on_error: fail`, a sum that
    leaves 64 bits, a Python step that raised."""

    slug = "recipe-step-failed"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        super().__init__(f"{first.pointer}: {first.message}", errors=errors)


class RecipeCycle(Conflict):
    """An automatic run would start itself again."""

    slug = "recipe-cycle"

    def __init__(self, dataset: str, output: str) -> None:
        super().__init__(
            f"A new version of {output!r} would lead to a new version of {dataset!r} "
            "again, without end; choose another output.",
            dataset=dataset,
            output=output,
        )


class AutomaticRunNotFound(NotFound):
    """The recipe does not run by itself on that dataset."""

    slug = "automatic-run-not-found"

    def __init__(self, dataset: str, recipe: str) -> None:
        super().__init__(
            f"Recipe {recipe!r} does not run by itself on {dataset!r}.",
            dataset=dataset,
            recipe=recipe,
        )
