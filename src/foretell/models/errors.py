"""What can be wrong with a model file."""

from collections.abc import Sequence

import msgspec

from foretell.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PreconditionFailed,
    UnsupportedFormat,
)
from foretell.models.gate.verdict import Verdict

# No name is longer, but the one that was asked for may be.
_SHOWN = 64


class ModelNotFound(NotFound):
    """There is no such model, or it belongs to somebody else."""

    slug = "model-not-found"
    title = "No such model"

    def __init__(self, model: str) -> None:
        model = model[:_SHOWN]
        super().__init__(f"There is no model {model!r} that you may see.", model=model)


class ModelVersionNotFound(NotFound):
    """The model has no such version, alias or `latest` yet."""

    slug = "model-version-not-found"
    title = "No such model version"

    def __init__(self, model: str, version: str | int | None = None) -> None:
        wanted = "no version yet" if version is None else f"no version {version!r}"
        super().__init__(f"The model {model!r} has {wanted}.", model=model)


class ModelNameTaken(Conflict):
    """Names are unique on a server, and somebody else has this one."""

    slug = "model-name-taken"

    def __init__(self, model: str) -> None:
        super().__init__(f"The name {model!r} is taken; choose another.", model=model)


class ModelChanged(PreconditionFailed):
    """`If-Match` names an older state of the model or alias."""

    slug = "model-changed"

    def __init__(self) -> None:
        super().__init__("It changed since you read it; read it again.")


class ModelScopeMissing(Forbidden):
    """The credential is narrowed to other models, or lacks `models:trust`."""

    slug = "scope-missing"

    def __init__(self, scope: str, model: str | None = None) -> None:
        which = f" for the model {model!r}" if model else ""
        super().__init__(f"This needs the scope {scope}{which}.", scope=scope)
        self.scope = scope


class TrafficInvalid(Invalid):
    """The split names a version twice, or gives none of them any weight."""

    slug = "traffic-invalid"

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(
            f"Wrong: {pointer}. {message}",
            errors=[FieldError(pointer, message, "traffic")],
        )


class AliasReserved(Invalid):
    """`latest` always exists and a number is a version: neither can be an alias."""

    slug = "model-alias-reserved"

    def __init__(self, alias: str) -> None:
        at_fault = FieldError("/path/alias", "Not a name for an alias.", "reserved")
        super().__init__(f"{alias!r} cannot be an alias.", errors=[at_fault])


class MetadataInvalid(Invalid):
    """The `metadata` part of an upload is not what it should be."""

    slug = "model-metadata-invalid"


class UploadRemoved(Gone):
    """The uploaded file of a failed job is not kept; upload it again."""

    slug = "model-upload-removed"

    def __init__(self) -> None:
        super().__init__(
            "The uploaded file was removed when its job failed; send it again."
        )


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


class FeaturesMissing(Invalid):
    """The feature set does not make all inputs of the model."""

    slug = "features-missing"

    def __init__(self, feature_set: str, missing: list[str]) -> None:
        named = ", ".join(missing[:20])
        super().__init__(
            f"The feature set {feature_set!r} lacks inputs of the model: {named}.",
            feature_set=feature_set,
            missing=missing[:100],
        )
