"""What can be wrong with a model file."""

from collections.abc import Sequence

import msgspec

from foretell.errors import Invalid, UnsupportedFormat
from foretell.models.gate.verdict import Verdict


class ModelRefused(Invalid):
    """The gate does not let the file through; `safety` says why."""

    slug = "model-refused"

    def __init__(self, verdict: Verdict) -> None:
        first = verdict.reasons[0].message if verdict.reasons else "It is not known."
        more = len(verdict.reasons) - 1
        rest = f" ({more} more reasons in `safety`.)" if more > 0 else ""
        super().__init__(
            f"The model file was refused and not loaded. {first}{rest}",
            safety=msgspec.to_builtins(verdict),
        )


class ModelUnreadable(UnsupportedFormat):
    """The bytes are not a whole model of a kind that is known here."""

    slug = "model-unreadable"


class ModelUnusable(Invalid):
    """The file loads, but what it holds cannot be asked for predictions."""

    slug = "model-unusable"


class ExampleUnreadable(Invalid):
    """The example rows cannot be read, or lack columns of the model."""

    slug = "model-example-unreadable"

    def __init__(self, detail: str, *, missing: Sequence[str] = ()) -> None:
        super().__init__(detail, missing=list(missing))
