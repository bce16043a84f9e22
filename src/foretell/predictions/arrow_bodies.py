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
from foretell.predictions.errors import BatchRowInvalid, RowsInvalid
from foretell.predictions.faults import MAX_FAULTS, escaped
from foretell.predictions.scoring import column_values

_FITTING: dict[str, Any] = {
    "boolean": lambda kind: kind == pl.Boolean,
    "integer": lambda kind: kind.is_numeric(),
    "float": lambda kind: kind.is_numeric(),
    "text": lambda kind: kind in (pl.String, pl.Categorical, pl.Enum),
}


def read_arrow(signature: Signature, body: bytes) -> Table:
    """The rows of a stream.

    Columns are matched by name. NaN is a missing value where the model takes one.

    Raises:
        RowsInvalid: It is no stream, or columns or cells do not fit.
    """
    try:
        table = pa.ipc.open_stream(body).read_all()
        frame = pl.DataFrame(table)
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
        column = column.fill_nan(None)
        if column.is_infinite().any():
            place = column.is_infinite().arg_max()
            at = f"/rows/{place}/{escaped(field.name)}"
            message = "Must be a finite number."
            raise RowsInvalid([FieldError(at, message, "finite_number")])
    if field.type == "text":
        column = column.cast(pl.String)
    try:
        return column_values(field, column)
    except BatchRowInvalid as error:
        at = f"/rows/{error.row - 1}/{escaped(field.name)}"
        raise RowsInvalid([FieldError(at, f"It {error.why}.", "cell")]) from error
