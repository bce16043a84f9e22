"""Bodies of the predictions routes."""

from typing import Any

from pydantic import Field

from foretell.http.schemas import Body, Name, Reading, VersionNumber
from foretell.predictions.batch_messages import MAX_SHARD_ROWS


class AnswerRead(Reading):
    """The answer for one row.

    `prediction` is the label or value in its own type; `probabilities` (or
    `decision`, where the model gives no probabilities) is by class name.
    """

    prediction: Any
    probabilities: Any = None
    decision: Any = None


class PredictionsRead(Reading):
    """Answers, one a row, in the order of the rows."""

    model: str
    version: int
    predictions: list[AnswerRead]


class AnyPredictionRead(PredictionsRead):
    """As `PredictionsRead`; for one row the answer stands at the top level too."""

    prediction: Any = None
    probability: float | None = Field(
        None, description="Of the predicted label; null where the model has none."
    )


class PredictBody(Body):
    """Rows in one of three forms: `rows`, `columns` and `data`, or `features`.

    Every feature of the model must be there, under its exact name, in its own type.
    `GET /api/models/{model}/versions/{version}/schema` describes a row.
    """

    rows: list[dict[str, Any]] | None = None
    columns: list[str] | None = None
    data: list[list[Any]] | None = None
    features: list[Any] | None = None


class AnyPredictBody(PredictBody):
    model: Name | None = Field(
        None, description="Without it the default model, or the only one there is."
    )


class BatchCreate(Body):
    """Predict every row of a dataset version into a new dataset version."""

    dataset: Name
    dataset_version: VersionNumber | None = Field(None, description="Default: current.")
    version: Name | VersionNumber | None = Field(
        None, description="Of the model: a number, an alias or `latest`."
    )
    output: Name = Field(description="The dataset that gets the new version.")
    include_inputs: bool = Field(
        False,
        strict=True,
        description="Keep the columns of the dataset beside the predictions.",
    )
    shard_rows: int | None = Field(
        None,
        ge=1,
        le=MAX_SHARD_ROWS,
        strict=True,
        description="Rows of a shard, rounded to multiples of 32,768; by default some "
        "seconds of work. A dataset of several is predicted by a job for each.",
    )
