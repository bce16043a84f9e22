"""What can be wrong with a resource or a row of it."""

from collections.abc import Sequence

from foretell.errors import Conflict, FieldError, Invalid, NotFound


class ResourceDeclarationError(TypeError):
    """A model cannot become a resource; raised when it is declared, never later."""


class ResourceUnknown(NotFound):
    """No resource of that name is served here."""

    slug = "resource-unknown"

    def __init__(self, plural: str) -> None:
        super().__init__(f"There is no resource {plural[:80]!r}.", resource=plural)


class RowNotFound(NotFound):
    """No row of that key that the caller may see."""

    slug = "row-not-found"

    def __init__(self, name: str, key: object) -> None:
        super().__init__(f"There is no {name} {str(key)[:80]!r}.", resource=name)


class ValueTaken(Conflict):
    """A unique value belongs to another row."""

    slug = "value-taken"

    def __init__(self, name: str, columns: Sequence[str], pointer: str = "") -> None:
        what = ", ".join(columns) or "a unique value"
        super().__init__(
            f"Another {name} has the same {what}.",
            errors=[
                FieldError(f"{pointer}/{column}", "is taken", "taken")
                for column in columns
            ],
            columns=list(columns),
        )


class ReferenceMissing(Invalid):
    """A value names a row of another table that is not there."""

    slug = "reference-missing"

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        names = ", ".join(pointer for pointer, _ in fields[:3]) or "a reference"
        super().__init__(
            f"There is no such row: {names}.",
            errors=[
                FieldError(pointer, f"names no row of {table}", "reference_missing")
                for pointer, table in fields
            ],
        )


class RowRefused(Invalid):
    """A CHECK of the table refuses the values."""

    slug = "row-refused"

    def __init__(self, name: str) -> None:
        super().__init__(f"A rule of the table refuses these values of the {name}.")


class RowReferenced(Conflict):
    """The row cannot go while others refer to it."""

    slug = "row-referenced"

    def __init__(self, name: str) -> None:
        super().__init__(f"Other rows refer to this {name}; remove them first.")


class RelationUnknown(Invalid):
    """`expand` names a relation that is not there."""

    slug = "relation-unknown"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        there = ", ".join(known) or "none"
        super().__init__(
            f"There is no relation {name[:80]!r}; there are: {there}.",
            errors=[FieldError("/query/expand", "names no relation", "relation")],
            relations=list(known),
        )
