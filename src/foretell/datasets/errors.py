"""What can be wrong with a dataset, in the words of datasets."""

from foretell.errors import (
    Conflict,
    FieldError,
    Gone,
    Invalid,
    NotFound,
    Unavailable,
)


class DatasetNotFound(NotFound):
    """No dataset of that name that the caller may see."""

    slug = "dataset-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no dataset {name!r}.", dataset=name)


class DatasetVersionNotFound(NotFound):
    """The dataset has no such version."""

    slug = "dataset-version-not-found"

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"Dataset {name!r} has no version {version}.", dataset=name, version=version
        )


class DatasetVersionGone(Gone):
    """The version that a cursor names was deleted with its dataset."""

    slug = "dataset-version-gone"

    def __init__(self) -> None:
        super().__init__("The version that this cursor reads was deleted; start again.")


class DatasetNameTaken(Conflict):
    """Names are unique per server; a running import holds its name."""

    slug = "dataset-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The name {name!r} is taken. Add a version to it with "
            f"POST /api/datasets/{name}/versions, or choose another name.",
            dataset=name,
        )


class ColumnUnknown(Invalid):
    """A parameter names a column that the version does not have."""

    slug = "column-unknown"

    def __init__(self, parameter: str, name: str, columns: list[str]) -> None:
        super().__init__(
            f"There is no column {name!r}; there are: {', '.join(columns[:50])}.",
            errors=[
                FieldError(f"/query/{parameter}", "names no column", "column_unknown")
            ],
        )


class ParameterInvalid(Invalid):
    """A query parameter cannot be used as it is."""

    slug = "parameter-invalid"

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(
            f"{parameter}: {message}",
            errors=[FieldError(f"/query/{parameter}", message, "parameter_invalid")],
        )


class AppendMismatch(Invalid):
    """The appended rows do not fit the columns of the dataset."""

    slug = "append-mismatch"


class DatasetMoved(Unavailable):
    """Another version came up while rows were fitted to the one before; the job is
    tried again."""

    slug = "dataset-moved"

    def __init__(self) -> None:
        super().__init__("The dataset got another version meanwhile; try again.")


class DatasetNameInvalid(Invalid):
    """Names are lower case letters, digits, `-` and `_`, 63 at most."""

    slug = "dataset-name-invalid"

    def __init__(self, name: str) -> None:
        super().__init__(
            "A dataset name has 1 to 63 of a-z, 0-9, - and _ and starts with a letter "
            "or digit.",
            errors=[FieldError("/name", "is not a name", "name_invalid")],
        )


class SourceInvalid(Invalid):
    """The source of an import is not clear, or not one of its connection."""

    slug = "source-invalid"

    def __init__(self, pointer: str, what: str) -> None:
        super().__init__(
            f"{pointer[1:]}: {what}.", errors=[FieldError(pointer, what, "invalid")]
        )


class SinkInvalid(Invalid):
    """The place of an export is not clear, or not one of its connection."""

    slug = "sink-invalid"

    def __init__(self, pointer: str, what: str) -> None:
        super().__init__(
            f"{pointer[1:]}: {what}.", errors=[FieldError(pointer, what, "invalid")]
        )


class NotIncremental(Conflict):
    """The current version does not say how far its source was read."""

    slug = "not-incremental"

    def __init__(self, name: str, column: str) -> None:
        super().__init__(
            f"The current version of {name!r} was not read from this source by the "
            f"column {column!r}, so it is not known what is new. Import it once with "
            "mode=replace and the same `incremental`.",
            dataset=name,
        )


class ReadersBusy(Unavailable):
    """Questions of others hold every reader."""

    slug = "readers-busy"

    def __init__(self) -> None:
        super().__init__(
            "Other questions are running; try again.", retry_after_seconds=5
        )


class TooManyNames(Invalid):
    """A statement is so full of words that they cannot all be looked up."""

    slug = "too-many-names"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The statement uses more than {limit} different names.",
            errors=[FieldError("/sql", "uses too many names", "too_many_names")],
        )


class QuestionTooLarge(Invalid):
    """A question about all rows needs more memory than its reader gets."""

    slug = "question-too-large"
    title = "Needs too much memory"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The question needs more than {limit_bytes >> 20} MiB of memory "
            "(READER_MEMORY). Filter first, group by fewer values, or ask for fewer "
            "columns.",
            limit_bytes=limit_bytes,
        )


class QuestionTimedOut(Invalid):
    """A question about all rows was stopped at its time limit."""

    slug = "question-timed-out"
    title = "Took too long"

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(
            f"The question was stopped after {limit_seconds:g} s (READER_TIMEOUT). "
            "Filter first, or ask for fewer columns.",
            limit_seconds=limit_seconds,
        )
