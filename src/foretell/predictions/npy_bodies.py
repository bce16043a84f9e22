"""Bodies and answers that are `.npy` arrays (NumPy's own file format).

Read without pickle and without trust: dtype, shape and size are held against the
model and the bytes that came before an array is made, so a header of a few bytes
cannot ask for more memory than the body has. This module loads numpy, so it is found
by name (`answering.py`).

Source:
    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import io
import math
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.errors import FieldError
from foretell.models.ports import Outputs
from foretell.models.row_schema import INT_MAX, INT_MIN
from foretell.models.signature import InputField, OutputField, Signature
from foretell.predictions.decoding import Table
from foretell.predictions.errors import RowsInvalid
from foretell.predictions.faults import MAX_FAULTS, escaped, in_cell, in_columns

MAX_VALUES = 4 * 1024**2
"""Most values of one body, as of a request of the Open Inference Protocol."""
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_MAX_ITEM_BYTES = 8
_MAX_RANK = 2
_NO_CHARACTER = "A text holds what is no character."
_SURROGATES = range(0xD800, 0xE000)
_TAKEN = {"boolean": "b", "integer": "iuf", "float": "iuf", "text": "U"}
_DTYPES: dict[str, Any] = {"boolean": bool, "integer": np.int64, "float": np.float64}

Array = npt.NDArray[Any]


def read_npy(signature: Signature, body: bytes) -> Table:
    """The rows of a body.

    An array of rank 2 has the inputs in the order of the signature, one of rank 1 is
    one row of them; a structured array has a field for each input, by name. NaN is a
    missing value.

    Raises:
        RowsInvalid: It is no such array, or columns or cells do not fit.
    """
    array = read_array(body)
    errors: list[FieldError] = []
    if array.dtype.names is not None:
        errors = list(in_columns(signature.names, list(array.dtype.names)))
    if errors:
        raise RowsInvalid(errors[:MAX_FAULTS])
    columns = _columns(signature.names, array)
    errors = [
        fault
        for field in signature.inputs
        for fault in _in_dtype(field, columns[field.name])
    ]
    if not errors:
        cells = (
            fault
            for field in signature.inputs
            for fault in _in_cells(field, columns[field.name])
        )
        errors = list(islice(cells, MAX_FAULTS))
    if errors:
        raise RowsInvalid(errors[:MAX_FAULTS])
    batch = {f.name: _values(f, columns[f.name]) for f in signature.inputs}
    return Table(batch, len(columns[signature.inputs[0].name]))


def read_array(body: bytes) -> Array:
    """The array of a body, over the body's own bytes.

    Raises:
        RowsInvalid: It is none, or one of objects or of more values than may be.
    """
    stream = io.BytesIO(body)
    shape, is_fortran, dtype = _header(stream)
    if dtype.hasobject:
        raise _refused("An array of objects is a pickle, which is never read.")
    names = dtype.names or ()
    kinds = [dtype.fields[name][0] for name in names] if names else [dtype]
    if not all(_is_plain(kind) for kind in kinds):
        raise _refused("Values are booleans, integers, floats to 64 bits, or texts.")
    if len(shape) > _MAX_RANK or not all(0 <= size <= MAX_VALUES for size in shape):
        raise _refused(f"The shape {str(shape)[:80]} cannot be.", "shape")
    count = math.prod(shape)
    if count * len(kinds) > MAX_VALUES:
        raise _refused(
            f"{count * len(kinds):,} values are too many for one request, which may "
            f"hold {MAX_VALUES:,}; send fewer rows, or use a batch job."
        )
    at = stream.tell()
    if count * dtype.itemsize != len(body) - at:
        raise _refused(
            f"The header tells of {count * dtype.itemsize:,} bytes, "
            f"{len(body) - at:,} follow it."
        )
    return np.ndarray(shape, dtype, body, at, order="F" if is_fortran else "C")


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, Any]:
    """Shape, order and dtype; headers are at most 10,000 bytes, numpy's own limit."""
    try:
        read_header = _HEADERS.get(np.lib.format.read_magic(stream))
        found = None if read_header is None else read_header(stream)
    except Exception as error:
        # The header is a literal of Python: its parser raises what it stumbles over.
        raise _refused("The body is no .npy array.") from error
    if found is None:
        raise _refused("The body is .npy of another version than 1 and 2.")
    return found


def _is_plain(dtype: Any) -> bool:
    if dtype.kind == "U":
        return bool(dtype.itemsize)
    return dtype.kind in "biuf" and dtype.itemsize <= _MAX_ITEM_BYTES


def _refused(message: str, code: str = "npy_invalid") -> RowsInvalid:
    return RowsInvalid([FieldError("", message, code)])


def read_records(names: Sequence[str], body: bytes) -> list[dict[str, Any]]:
    """The rows of a body as raw records of a feature set, which has types of its own.

    Args:
        names: Of the members, for an array that is not structured.

    Raises:
        RowsInvalid: It is no such array.
    """
    columns = _columns(names, read_array(body))
    cells = [_cells(name, values) for name, values in columns.items()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]


def _cells(name: str, values: Array) -> list[Any]:
    if values.dtype.kind == "U" and (_codes(values) > sys.maxunicode).any():
        at = f"/columns/{escaped(name)}"
        raise RowsInvalid([FieldError(at, _NO_CHARACTER, "text_type")])
    found: list[Any] = values.tolist()
    if values.dtype.kind == "f":
        return [None if value != value else value for value in found]
    return found


def _columns(names: Sequence[str], array: Array) -> dict[str, Array]:
    """The columns: those that a structured array names, else `names` in order."""
    given = array.dtype.names
    if given is not None:
        rows = array.reshape(-1) if array.ndim == 0 else array
        if rows.ndim == 1:
            return {name: rows[name] for name in given}
    elif array.ndim == 1 and len(array) == len(names):
        return {name: array[place : place + 1] for place, name in enumerate(names)}
    elif array.ndim == 2 and array.shape[1] == len(names):
        return {name: array[:, place] for place, name in enumerate(names)}
    wanted = "(rows,)" if given is not None else f"(rows, {len(names)})"
    raise _refused(f"The shape is {wanted}, not {array.shape}.", "shape")


def _in_dtype(field: InputField, values: Array) -> Iterator[FieldError]:
    if values.dtype.kind not in _TAKEN[field.type]:
        message = (
            f"The array holds {values.dtype.name}, the model takes {field.type}; a "
            "structured array has a type for each column."
        )
        at = f"/columns/{escaped(field.name)}"
        yield FieldError(at, message, f"{field.type}_type")
    elif values.dtype.kind == "U" and (_codes(values) > sys.maxunicode).any():
        # Python itself fails on these with an error of its own insides.
        at = f"/columns/{escaped(field.name)}"
        yield FieldError(at, _NO_CHARACTER, "text_type")


def _codes(values: Array) -> Array:
    """The code points of texts, a row each."""
    dtype = np.dtype(np.uint32).newbyteorder(values.dtype.byteorder)
    width = values.dtype.itemsize // dtype.itemsize
    return np.ascontiguousarray(values).view(dtype).reshape(len(values), width)


def _in_cells(field: InputField, values: Array) -> Iterator[FieldError]:
    """The faults of the cells that do not fit, in the words of the other forms."""
    for place in np.flatnonzero(_suspects(field, values)):
        value = values[place].item()
        if isinstance(value, float):
            is_whole = field.type == "integer" and value.is_integer()
            value = int(value) if is_whole else value
            value = None if value != value else value
        at = f"/rows/{place}/{escaped(field.name)}"
        yield from in_cell(field, value, at)


def _suspects(field: InputField, values: Array) -> Array:
    """Where a cell may be at fault; those that `in_cell` finds good are so."""
    kind = values.dtype.kind
    missing = np.zeros(len(values), bool)
    if kind == "U":
        codes = _codes(values)
        found = ((codes >= _SURROGATES.start) & (codes < _SURROGATES.stop)).any(axis=1)
    elif kind == "f":
        found = ~np.isfinite(values)
        if field.nullable:
            missing = np.isnan(values)
        if field.type == "integer":
            wide = values.astype(np.float64)
            found |= (wide != np.floor(wide)) | (np.abs(wide) >= -float(INT_MIN))
    else:
        found = values > INT_MAX if kind == "u" else missing
    if field.closed and field.values is not None:
        found = found | ~np.isin(values, np.array(field.values))
    return found & ~missing


def _values(field: InputField, values: Array) -> Any:
    """A column as a predictor takes it, and as a table has it (`scoring.py`)."""
    if field.type in ("text", "boolean"):
        return values.tolist()
    if field.type == "integer" and values.dtype.kind == "f":
        if not np.isnan(values).any():
            return values.astype(np.int64)
        return values.astype(np.float64)
    return values.astype(_DTYPES[field.type])


def write_npy(signature: Signature, outputs: Outputs | None, name: str) -> bytes:
    """One output of all rows as a `.npy` array.

    Args:
        outputs: `None` for no rows.
        name: One of `array_outputs`.

    Returns:
        `prediction`: shape `(rows,)`, or `(rows, outputs)` where a prediction is a
        list; in int64, float64, bool or text, as the signature says. Scores: float64
        of the shape `(rows, classes)`, or `(rows,)` for one decision.
    """
    stream = io.BytesIO()
    array = _array(signature, outputs, name)
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def _array(signature: Signature, outputs: Outputs | None, name: str) -> Array:
    output = signature.output(name)
    if output is None or outputs is None:
        return _empty(output)
    if name == "prediction":
        kind = _DTYPES.get(output.type)
        # Texts come as objects; their list makes an array as wide as the longest.
        found = outputs.predictions
        return np.array(found.tolist() if kind is None else found, kind)
    scores = np.asarray(outputs.scores, np.float64)
    return scores if output.values is not None else scores.reshape(len(scores))


def _empty(output: OutputField | None) -> Array:
    if output is None:
        return np.empty(0)
    kind = _DTYPES.get(output.type, "<U1")
    width = output.size
    if output.name != "prediction" and output.values is not None:
        width = len(output.values)
    return np.empty((0,) if width is None else (0, width), kind)


def count_differences(one: bytes, other: bytes, name: str) -> int:
    """Rows of two answers with another prediction; of scores, with another best.

    Args:
        name: The output that both are.
    """
    first, second = (
        np.load(io.BytesIO(body), allow_pickle=False) for body in (one, other)
    )
    if name != "prediction":
        first, second = _decided(first), _decided(second)
    if first.shape != second.shape:
        return len(first)
    differ = first != second
    return int((differ.any(axis=1) if differ.ndim > 1 else differ).sum())


def _decided(scores: Array) -> Array:
    return scores.argmax(axis=1) if scores.ndim > 1 else scores > 0
