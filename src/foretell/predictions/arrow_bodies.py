"""Reads a request body that is an Arrow IPC stream. Only in the model host: the
reader is native code, and what it reads comes from anybody."""

from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from foretell.core.columns import ColumnType
from foretell.errors import FieldError
from foretell.models.signature import InputField, Signature
from foretell.predictions.decoding import Table
from foretell.predictions.errors import (
    BatchColumnsMissing,
    BatchRowInvalid,
    RowsInvalid,
)
from foretell.predictions.faults import MAX_FAULTS, escaped
from foretell.predictions.feature_frames import RecordFeatures
from foretell.predictions.scoring import column_values

_FITTING: dict[str, Any] = {
    "boolean": lambda kind: kind == pl.Boolean,
    "integer": lambda kind: kind.is_numeric(),
    "float": lambda kind: kind.is_numeric(),
    "text": lambda kind: kind in (pl.String, pl.Categorical, pl.Enum),
}


def read_arrow(
    signature: Signature, body: bytes, records: RecordFeatures | None = None
) -> Table:
    """The rows of a stream.

    Columns are matched by name. NaN is a missing value where the model takes one.

    Args:
        records: The stream has raw records, of which these features are made.

    Raises:
        RowsInvalid: It is no stream, or columns or cells do not fit.
    """
    try:
        table = pa.ipc.open_stream(body).read_all()
        frame = pl.DataFrame(table)
        if records is not None:
            frame = _with_features(signature, frame, records)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:
        message = "The body is not an Arrow IPC stream."
        raise RowsInvalid([FieldError("", message, "arrow_invalid")]) from error
    errors = _faults(signature, frame)
    if errors:
        raise RowsInvalid(errors[:MAX_FAULTS])
    batch = {
        field.name: _values(field, frame[field.name]) for field in signature.inputs
    }
    return Table(batch, frame.height)


def _with_features(
    signature: Signature, frame: pl.DataFrame, records: RecordFeatures
) -> pl.DataFrame:
    """The model's inputs of raw records; other columns than they need do no harm."""
    finite = frame.with_columns(
        _finite(frame[name])
        for name in records.columns
        if name in frame.columns and frame[name].dtype.is_float()
    )
    try:
        return records.of(finite).select(signature.names)
    except BatchColumnsMissing as error:
        raise RowsInvalid(error.errors) from error


def _faults(signature: Signature, frame: pl.DataFrame) -> list[FieldError]:
    errors = []
    for field in signature.inputs:
        at = f"/columns/{escaped(field.name)}"
        if field.name not in frame.columns:
            errors.append(FieldError(at, "This feature is missing.", "missing"))
        elif not _FITTING[field.type](frame[field.name].dtype):
            message = f"Must be of type {ColumnType(field.type)}."
            errors.append(FieldError(at, message, f"{field.type}_type"))
    for name in frame.columns:
        if name not in signature.names:
            at = f"/columns/{escaped(name)}"
            errors.append(FieldError(at, "No such feature.", "extra_forbidden"))
    return errors


def _values(field: InputField, column: pl.Series) -> Any:
    if column.dtype.is_float():
        column = _finite(column)
    if field.type == "text":
        column = column.cast(pl.String)
    try:
        return column_values(field, column)
    except BatchRowInvalid as error:
        at = f"/rows/{error.row - 1}/{escaped(field.name)}"
        raise RowsInvalid([FieldError(at, f"It {error.why}.", "cell")]) from error


def _finite(column: pl.Series) -> pl.Series:
    """A column without NaN, which is a missing value."""
    if column.is_infinite().any():
        place = column.is_infinite().arg_max()
        at = f"/rows/{place}/{escaped(column.name)}"
        message = "Must be a finite number."
        raise RowsInvalid([FieldError(at, message, "finite_number")])
    return column.fill_nan(None)
