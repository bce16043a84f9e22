"""What can be wrong with a feature set, in the words of features."""

from collections.abc import Sequence
from typing import Any

from foretell.errors import Conflict, FieldError, Invalid, NotFound


class FeatureSetNotFound(NotFound):
    """No feature set of that name that the caller may see."""

    slug = "feature-set-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no feature set {name!r}.", feature_set=name)


class FeatureSetVersionNotFound(NotFound):
    """The feature set has no such version."""

    slug = "feature-set-version-not-found"

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"Feature set {name!r} has no version {version}.",
            feature_set=name,
            version=version,
        )


class FeatureSetNameTaken(Conflict):
    """Names are unique per server."""

    slug = "feature-set-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The name {name!r} is taken; choose another.", feature_set=name
        )


class FeatureSetInvalid(Invalid):
    """A feature cannot be read, or does not fit the inputs.

    Args:
        errors: Each with a pointer such as `/features/1/expression`.
        context: `position` and `suggestions` of a wrong expression.
    """

    slug = "feature-set-invalid"

    def __init__(self, errors: Sequence[FieldError], **context: Any) -> None:
        first = errors[0]
        detail = f"{first.pointer}: {first.message}"
        super().__init__(detail, errors=errors, **context)


class RecordsInvalid(Invalid):
    """Raw records lack what the features need, or hold something of another type."""

    slug = "records-invalid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.pointer}: {first.message}{more}", errors=errors)
