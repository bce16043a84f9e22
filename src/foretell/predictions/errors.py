"""What can be wrong with a prediction."""

from collections.abc import Sequence

from foretell.errors import (
    FieldError,
    Gone,
    Invalid,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedFormat,
)

_SHOWN = 3
_LONGEST = 80


class RowsInvalid(Invalid):
    """The body does not hold rows that fit the model's signature."""

    slug = "rows-invalid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        named = ", ".join(error.pointer or "the body" for error in errors[:_SHOWN])
        more = ", …" if len(errors) > _SHOWN else ""
        first = errors[0].message if errors else "It does not fit the signature."
        super().__init__(f"Wrong: {named}{more}. {first}", errors=errors)


class BodyNotJson(UnsupportedFormat):
    """The body's Content-Type is none of those that predict takes."""

    slug = "body-not-json"

    def __init__(self) -> None:
        super().__init__(
            "Send JSON, with the header Content-Type: application/json, an Arrow IPC "
            "stream as application/vnd.apache.arrow.stream, or a .npy array as "
            "application/x-npy."
        )


class OutputUnknown(Invalid):
    """The version has no such output, or not as one array."""

    slug = "output-unknown"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"Accept asks for the output {name[:_LONGEST]!r}; as one array this model "
            f"gives {', '.join(known)}."
        )


class ModelNotNamed(Invalid):
    """The body names no model, and none is the default."""

    slug = "model-not-named"

    def __init__(self) -> None:
        missing = FieldError("/model", "Name the model.", "missing")
        super().__init__(
            "There is more than one model; name one in `model`, or set DEFAULT_MODEL.",
            errors=[missing],
        )


class NoModel(NotFound):
    """There is no model that the caller may ask."""

    slug = "no-model"

    def __init__(self) -> None:
        super().__init__("There is no model that you may ask.")


class ModelFailed(Invalid):
    """The model itself raised an error on rows that fit its signature."""

    slug = "model-failed"

    def __init__(self, error_type: str) -> None:
        super().__init__(
            f"The model could not answer these rows: it raised {error_type}.",
            error_type=error_type,
        )


class ModelNotLoaded(Unavailable):
    """The version cannot be opened now; its detail says why."""

    slug = "model-not-loaded"


class ModelHostEnded(Unavailable):
    """The process that runs the model ended during the call."""

    slug = "model-host-ended"

    def __init__(self) -> None:
        super().__init__("The process of the model ended during the call; try again.")


class PredictionTimedOut(Unavailable):
    """The model took too long."""

    slug = "prediction-timed-out"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The model did not answer within {seconds:g} seconds; send fewer rows, "
            "or use a batch job.",
        )


class AnswerTooLarge(TooLarge):
    """The answers of all rows do not fit one response."""

    slug = "answer-too-large"

    def __init__(self) -> None:
        super().__init__(
            "The answer is too large; send fewer rows, or use a batch job."
        )


class BatchColumnsMissing(Invalid):
    """The dataset lacks inputs of the model, or has them in another type."""

    slug = "batch-columns-missing"


class BatchRemoved(Gone):
    """The rows that a batch had made are not there any more."""

    slug = "batch-removed"

    def __init__(self) -> None:
        super().__init__(
            "What this batch had made was removed, since it did not fit what its owner "
            "may keep; start another one."
        )


class BatchRowInvalid(Invalid):
    """A cell of the dataset does not fit the model's signature."""

    slug = "batch-row-invalid"

    def __init__(self, column: str, row: int, why: str) -> None:
        at_fault = FieldError(f"/rows/{row}/{column}", f"It {why}.", "cell")
        super().__init__(
            f"Row {row:,}, column {column!r} {why}.",
            errors=[at_fault],
            column=column,
            row=row,
        )
        self.column, self.row, self.why = column, row, why
