"""The one error of the expression language."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from foretell.errors import Invalid


class ExpressionError(Invalid):
    """An expression that cannot be read or does not fit the columns.

    Args:
        message: What is wrong, as a sentence without the position.
        position: Where it is wrong: the character of the text, counted from 1.
        suggestions: Names that exist and look like the one that does not.
    """

    slug = "expression-invalid"
    title = "Invalid expression"

    def __init__(
        self, message: str, position: int, *, suggestions: Iterable[str] = ()
    ) -> None:
        self.position = position
        self.suggestions = tuple(suggestions)
        hint = ""
        if self.suggestions:
            names = " or ".join(f"'{name}'" for name in self.suggestions)
            hint = f" Did you mean {names}?"
        context: dict[str, Any] = {"position": position}
        if self.suggestions:
            context["suggestions"] = list(self.suggestions)
        super().__init__(f"At character {position}: {message}{hint}", **context)


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """List up to three known names that look like `name`, the nearest first.

    Letter case is ignored, so that `AGE` finds `age`.
    """
    by_folded: dict[str, list[str]] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), []).append(candidate)
    folded = get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)
    return [candidate for key in folded for candidate in by_folded[key]][:3]


class NotInSql(Invalid):
    """A condition that not every database computes as the language defines it."""

    slug = "expression-not-in-sql"
    title = "Expression not available here"

    def __init__(self, what: str, subset: str) -> None:
        super().__init__(
            f"{what} cannot be used on a resource, where the database computes the "
            f"condition. Available: {subset}."
        )
