"""Predicts a dataset version in a sandboxed child: Parquet parts in, parts out.

Rows go through in groups, so memory is bounded whatever the size. The predictor is
the one that answers online, on the same values, so that batch and online agree. Where
groups begin depends on the files alone: a shard takes those that begin in its range,
so each model call is the same however a version is cut into shards.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from foretell.core.columns import ColumnType
from foretell.models.loading import open_native, open_predictor
from foretell.models.ports import Outputs, Predictor, Terms
from foretell.models.signature import InputField, Signature
from foretell.predictions.batch_messages import (
    GROUP_ROWS,
    OutputColumn,
    ScoreProgress,
    ScoreRequest,
    ScoreResult,
)
from foretell.predictions.errors import BatchRowInvalid, ModelFailed, ModelNotLoaded
from foretell.predictions.feature_frames import TableFeatures
from foretell.predictions.forms import array_outputs
from foretell.sandbox.child import Report
from foretell.tabular.parts import PartWriter

_COLUMN_TYPES = {
    "boolean": ColumnType.BOOLEAN,
    "integer": ColumnType.INTEGER,
    "float": ColumnType.FLOAT,
    "text": ColumnType.TEXT,
}


def score(request: ScoreRequest, report: Report) -> ScoreResult:
    """Predict every row of the parts; the rows keep their order.

    Raises:
        BatchRowInvalid: A cell the model cannot take, by row and column.
        ModelFailed: The model raised an error.
    """
    predictor = _open(request)
    names = output_names(request.signature, request.keep)
    writer = PartWriter(Path(request.output))
    done = 0
    empty: Any = None
    features = TableFeatures(request.features) if request.features else None
    for first_row, frame in _groups(request, features):
        inputs = frame if features is None else features.of(frame)
        outputs = _predict(predictor, request.signature, inputs, first_row)
        new = _frame(names, outputs, request.signature)
        made = pl.concat([frame.select(request.keep), new], how="horizontal")
        writer.add(made)
        empty = made.clear()
        done += frame.height
        report(ScoreProgress(done))
    if empty is None and request.start == 0:
        empty = _without_rows(request, names)
    if empty is None:
        writer.discard()
    parts = [] if empty is None else writer.finish(empty)
    return ScoreResult(done, parts, _columns(names, request.signature))


def output_names(signature: Signature, taken: Sequence[str]) -> dict[str, str]:
    """Names of the new columns by what they hold; a name that is taken gets `_2`."""
    wanted = ["prediction"]
    for field in signature.outputs:
        if field.name == "prediction" or field.name not in array_outputs(signature):
            continue
        stem = "probability" if field.name == "probabilities" else field.name
        classes = field.values or []
        wanted += [f"{stem}_{name}" for name in classes] or [stem]
    names: dict[str, str] = {}
    used = set(taken)
    for name in wanted:
        free, number = name, 2
        while free in used:
            free, number = f"{name}_{number}", number + 1
        used.add(free)
        names[name] = free
    return names


def _columns(names: Mapping[str, str], signature: Signature) -> list[OutputColumn]:
    prediction = signature.output("prediction")
    kind = ColumnType.FLOAT if prediction is None else _COLUMN_TYPES[prediction.type]
    if prediction is not None and prediction.size is not None:
        kind = ColumnType.LIST
    return [
        OutputColumn(free, str(kind if name == "prediction" else ColumnType.FLOAT))
        for name, free in names.items()
    ]


def _open(request: ScoreRequest) -> Predictor:
    path = Path(request.path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != request.sha256:
        raise ModelNotLoaded("The stored file is not the one that was inspected.")
    if not request.is_native:
        return open_predictor(request.spec, request.signature, data)
    terms = Terms(request.allow, request.trust, Path(request.output))
    return open_native(
        path, request.signature, request.spec, flavour=request.flavour, terms=terms
    )


def _groups(
    request: ScoreRequest, features: TableFeatures | None
) -> Iterator[tuple[int, Any]]:
    """The groups of the shard, each with the number of its first row from 0."""
    used = request.signature.names if features is None else features.columns
    wanted = list(dict.fromkeys([*request.keep, *used]))
    before = request.before
    for part in request.parts:
        with pq.ParquetFile(part) as file:
            for place, row_groups in _folded(file.metadata):
                row = before + place
                if not request.start <= row < request.stop:
                    continue
                for batch in file.iter_batches(
                    GROUP_ROWS, row_groups=row_groups, columns=wanted
                ):
                    yield row, pl.DataFrame(batch).select(wanted)
                    row += batch.num_rows
            before += file.metadata.num_rows


def _without_rows(request: ScoreRequest, names: Mapping[str, str]) -> Any:
    """The columns of the output; models need not take no rows."""
    with pq.ParquetFile(request.parts[0]) as file:
        kept = pl.DataFrame(file.schema_arrow.empty_table()).select(request.keep)
    nothing = Outputs(np.empty(0), np.empty((0, len(names))))
    new = _frame(names, nothing, request.signature)
    return pl.concat([kept, new], how="horizontal")


def _folded(metadata: Any) -> Iterator[tuple[int, list[int]]]:
    """Row groups of a file that go through together, with their first row."""
    first, rows = 0, 0
    together: list[int] = []
    for number in range(metadata.num_row_groups):
        own = metadata.row_group(number).num_rows
        if together and rows + own > GROUP_ROWS:
            yield first, together
            first, rows, together = first + rows, 0, []
        together.append(number)
        rows += own
    if together:
        yield first, together


def _predict(
    predictor: Predictor, signature: Signature, frame: Any, first_row: int
) -> Outputs:
    batch = {
        field.name: column_values(field, frame[field.name], first_row)
        for field in signature.inputs
    }
    try:
        return predictor.predict(batch)
    except Exception as error:
        # Whatever a model raises on rows that fit is about the rows.
        raise ModelFailed(type(error).__name__) from error


def column_values(field: InputField, column: Any, first_row: int = 0) -> Any:
    """One column as the predictor takes it, checked like the cells of a request.

    Raises:
        BatchRowInvalid: A missing value, a fraction for an integer, or a value the
            model does not know; with the row, counted from 1.
    """

    def refuse_where(mask: Any, why: str) -> None:
        place = mask.arg_max() if mask.any() else None
        if place is not None:
            raise BatchRowInvalid(field.name, first_row + place + 1, why)

    if column.dtype.is_float():
        # As in a request: not a number is a missing one, infinity is no value.
        column = column.fill_nan(None)
        refuse_where(column.is_infinite(), "is infinite, which is no value")
    if not field.nullable:
        refuse_where(column.is_null(), "is missing, which the model does not take")
    if field.type == "integer" and not column.dtype.is_integer():
        number = column.cast(pl.Float64)
        fraction = (number.is_null() & column.is_not_null()) | (
            number != number.floor()
        )
        refuse_where(fraction.fill_null(False), "is not a whole number")
    if field.closed and field.values is not None:
        known = column.is_in(pl.Series(field.values)) | column.is_null()
        refuse_where(~known, "is not a value that the model knows")
    if field.type == "float":
        return column.cast(pl.Float64).to_numpy()
    if field.type == "integer":
        if column.null_count():
            return column.cast(pl.Float64).to_numpy()
        return column.cast(pl.Int64).to_numpy()
    return column.to_list()


def _frame(names: Mapping[str, str], outputs: Outputs, signature: Signature) -> Any:
    prediction = signature.output("prediction")
    kinds: dict[str, Any] = {
        "boolean": pl.Boolean,
        "integer": pl.Int64,
        "float": pl.Float64,
        "text": pl.String,
    }
    kind = kinds[prediction.type] if prediction else pl.Float64
    if prediction is not None and prediction.size is not None:
        kind = pl.List(kind)
    first, *others = names.values()
    found: Any = outputs.predictions
    if found.dtype.kind not in "biuf" or found.ndim > 1:
        found = found.tolist()
    columns = [pl.Series(first, found, dtype=kind)]
    if others and isinstance(outputs.scores, np.ndarray):
        columns += [
            pl.Series(name, outputs.scores[:, place], dtype=pl.Float64)
            for place, name in enumerate(others)
        ]
    return pl.DataFrame(columns)
