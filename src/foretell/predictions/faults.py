"""Lists everything that is wrong with a body that was refused.

Slow on purpose and only on this way: it looks at each value by itself, stops after
a hundred faults and never repeats a value, which may be a secret or very long.
"""

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from foretell.core.texts import has_surrogate
from foretell.errors import FieldError
from foretell.models.row_schema import INT_MAX, INT_MIN
from foretell.models.signature import InputField, Signature

MAX_FAULTS = 100
# Looked at with the standard library, which can name a NaN but takes its time.
_LENIENT_BYTES = 1024 * 1024
_LONGEST_NAME = 80
_VALUES_SHOWN = 10
_FORMS = "rows, or columns and data, or features"
_KINDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "float": "a number",
    "text": "a text",
}


def find(signature: Signature, body: bytes, *, names_model: bool) -> list[FieldError]:
    """The faults of a body in its order, `MAX_FAULTS` at most and at least one."""
    document, broken = _parse(body)
    if broken is not None:
        return [broken]
    found = list(islice(_faults(signature, document, names_model), MAX_FAULTS))
    return found or [_not_json()]


def model_in(body: bytes) -> tuple[str | None, list[FieldError]]:
    """The model that a body names which is not quite JSON, or why there is none.

    A NaN in a row must not keep the row from being looked at: the model is needed to
    say which feature it is.
    """
    document, broken = _parse(body)
    if broken is not None:
        return None, [broken]
    if not isinstance(document, dict):
        return None, [FieldError("", "The body must be an object.", "object_type")]
    model = document.get("model")
    if "model" in document and not isinstance(model, str):
        return None, [FieldError("/model", "Must be a text.", "text_type")]
    if model is not None and has_surrogate(model):
        message = "Holds half of a character (a lone surrogate)."
        return None, [FieldError("/model", message, "text_surrogate")]
    return model, []


def _parse(body: bytes) -> tuple[Any, FieldError | None]:
    try:
        return orjson.loads(body), None
    except orjson.JSONDecodeError:
        pass
    if len(body) > _LENIENT_BYTES:
        return None, _not_json()
    try:
        # Takes NaN, Infinity and 1e400, so that the feature can be named.
        return json.loads(body.decode()), None
    except (ValueError, RecursionError):
        return None, _not_json()


def _not_json() -> FieldError:
    return FieldError("", "The body is not JSON.", "json_invalid")


def _faults(
    signature: Signature, document: Any, names_model: bool
) -> Iterator[FieldError]:
    if not isinstance(document, dict):
        yield FieldError("", "The body must be an object.", "object_type")
        return
    known = {"rows", "columns", "data", "features"} | (
        {"model"} if names_model else set()
    )
    for name in (name for name in document if name not in known):
        yield FieldError(f"/{escaped(name)}", "Unknown member.", "extra_forbidden")
    if not isinstance(document.get("model", ""), str):
        yield FieldError("/model", "Must be a text.", "text_type")
    given = document.keys() & {"rows", "columns", "data", "features"}
    if given == {"rows"}:
        yield from _in_rows(signature, document["rows"])
    elif given == {"features"}:
        yield from _in_features(signature, document["features"], "/features")
    elif given == {"columns", "data"}:
        yield from _in_table(signature, document["columns"], document["data"])
    elif given <= {"columns", "data"} and given:
        other = "data" if "columns" in given else "columns"
        yield FieldError(f"/{other}", "columns and data go together.", "missing")
    else:
        yield FieldError("", f"Give {_FORMS}.", "rows_missing")


def _in_rows(signature: Signature, rows: Any) -> Iterator[FieldError]:
    if not isinstance(rows, list):
        yield FieldError("/rows", "Must be a list of objects.", "list_type")
        return
    for place, row in enumerate(rows):
        pointer = f"/rows/{place}"
        if isinstance(row, dict):
            yield from _in_row(signature, row, pointer)
        else:
            message = "Must be an object: a value for each feature by name."
            yield FieldError(pointer, message, "object_type")


def _in_row(
    signature: Signature, row: Mapping[str, Any], pointer: str
) -> Iterator[FieldError]:
    names = set(signature.names)
    for field in signature.inputs:
        at = f"{pointer}/{escaped(field.name)}"
        if field.name not in row:
            yield FieldError(at, "This feature is missing.", "missing")
        else:
            yield from in_cell(field, row[field.name], at)
    for name in (name for name in row if name not in names):
        at = f"{pointer}/{escaped(name)}"
        yield FieldError(at, _unknown(name, signature.names), "extra_forbidden")


def _in_features(
    signature: Signature, values: Any, pointer: str
) -> Iterator[FieldError]:
    if not isinstance(values, list):
        yield FieldError(pointer, "Must be a list of values.", "list_type")
        return
    yield from _in_length(len(signature.inputs), len(values), pointer)
    for place, (field, value) in enumerate(zip(signature.inputs, values, strict=False)):
        yield from _in_place(field, value, f"{pointer}/{place}")


def _in_table(signature: Signature, columns: Any, data: Any) -> Iterator[FieldError]:
    if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
        yield FieldError("/columns", "Must be a list of names.", "list_type")
        return
    if not isinstance(data, list):
        yield FieldError("/data", "Must be a list of lists.", "list_type")
        return
    yield from in_columns(signature.names, columns)
    fields = {field.name: field for field in signature.inputs}
    for place, row in enumerate(data):
        pointer = f"/data/{place}"
        if not isinstance(row, list):
            yield FieldError(pointer, "Must be a list of values.", "list_type")
            continue
        yield from _in_length(len(columns), len(row), pointer)
        for index, (name, value) in enumerate(zip(columns, row, strict=False)):
            if name in fields:
                yield from _in_place(fields[name], value, f"{pointer}/{index}")


def in_columns(names: Sequence[str], columns: list[str]) -> Iterator[FieldError]:
    """The columns that are missing, unknown or repeated."""
    given = set(columns)
    for name in names:
        if name not in given:
            message = f"The feature {name!r} is missing."
            yield FieldError("/columns", message, "missing")
    seen: set[str] = set()
    for index, name in enumerate(columns):
        if name not in names:
            message = f"{_short(name)}: {_unknown(name, names)}"
            yield FieldError(f"/columns/{index}", message, "extra_forbidden")
        elif name in seen:
            message = f"{name}: This feature came twice."
            yield FieldError(f"/columns/{index}", message, "repeated")
        seen.add(name)


def _in_length(expected: int, given: int, pointer: str) -> Iterator[FieldError]:
    if expected != given:
        message = f"Expected {expected:,} values, got {given:,}."
        yield FieldError(pointer, message, "length")


def _in_place(field: InputField, value: Any, pointer: str) -> Iterator[FieldError]:
    """Faults of a value whose pointer is a place; the message says of which feature."""
    for fault in in_cell(field, value, pointer):
        yield FieldError(fault.pointer, f"{field.name}: {fault.message}", fault.code)


def in_cell(field: InputField, value: Any, pointer: str) -> Iterator[FieldError]:
    """The fault of one cell, if it has one."""
    if value is None:
        if not field.nullable:
            message = "The model takes no missing value here."
            yield FieldError(pointer, message, "null_forbidden")
        return
    fault = _fault_of(field.type, value)
    if fault is not None:
        yield FieldError(pointer, *fault)
    elif field.closed and field.values is not None and value not in field.values:
        shown = ", ".join(str(known) for known in field.values[:_VALUES_SHOWN])
        more = ", …" if len(field.values) > _VALUES_SHOWN else ""
        message = f"The model does not know this value; it knows {shown}{more}."
        yield FieldError(pointer, message, "unknown_value")


def _fault_of(kind: str, value: Any) -> tuple[str, str] | None:
    wrong = f"Must be {_KINDS[kind]}.", f"{kind}_type"
    if kind == "boolean":
        return None if isinstance(value, bool) else wrong
    if kind == "text":
        return _fault_of_text(value) if isinstance(value, str) else wrong
    if isinstance(value, bool) or not isinstance(value, int | float):
        return wrong
    if kind == "integer":
        if not isinstance(value, int):
            return wrong
        is_kept = INT_MIN <= value <= INT_MAX
        return None if is_kept else ("Must fit 64 bits.", "out_of_range")
    return None if _is_finite(value) else ("Must be a finite number.", "finite_number")


def _fault_of_text(value: str) -> tuple[str, str] | None:
    if has_surrogate(value):
        return "Holds half of a character (a lone surrogate).", "text_surrogate"
    return None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name[:_LONGEST_NAME], names, n=1)
    return f"No such feature; did you mean {near[0]!r}?" if near else "No such feature."


def escaped(name: str) -> str:
    """A name as one part of a JSON pointer (RFC 6901), cut when it is long."""
    return _short(name).replace("~", "~0").replace("/", "~1")


def _short(name: str) -> str:
    short = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    return short.encode("utf-8", "replace").decode()
