"""Reads the example rows that come with a model and refines its signature by them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foretell.core.texts import is_storable
from foretell.models.errors import ExampleUnreadable
from foretell.models.signature import InputField, InputType, Scalar

MAX_ROWS = 10_000
_MAX_CATEGORIES = 100

Columns = dict[str, Any]


def read_examples(path: Path) -> Columns:
    """The example's columns as numpy arrays; a missing value is None or NaN.

    Raises:
        ExampleUnreadable: Neither Parquet nor JSON nor CSV with a header.
    """
    with path.open("rb") as file:
        head = file.read(64)
    try:
        frame = _read(path, head)
    except (ValueError, OSError, KeyError, TypeError, RecursionError) as error:
        raise ExampleUnreadable(
            f"The example rows cannot be read: {type(error).__name__}."
        ) from error
    return {str(name): _array(frame[name]) for name in frame.columns}


def _read(path: Path, head: bytes) -> pd.DataFrame:
    if head.startswith(b"PAR1"):
        import pyarrow.parquet as pq

        batches = pq.ParquetFile(path).iter_batches(batch_size=MAX_ROWS)
        frame: pd.DataFrame = next(batches).to_pandas()
        return frame
    if head.lstrip()[:1] in (b"[", b"{"):
        return _from_json(path.read_bytes())
    return pd.read_csv(
        path, nrows=MAX_ROWS, keep_default_na=False, na_values=[""], low_memory=False
    )


def _from_json(data: bytes) -> pd.DataFrame:
    try:
        found = json.loads(data)
    except ValueError:
        found = [json.loads(line) for line in data.splitlines() if line.strip()]
    if isinstance(found, dict):
        if "columns" in found and "data" in found:
            return pd.DataFrame(found["data"], columns=found["columns"])
        found = found.get("rows", [found])
    return pd.DataFrame(found[:MAX_ROWS])


def _array(series: "pd.Series[Any]") -> Any:
    if series.dtype.kind in "biuf":
        return series.to_numpy()
    values = series.astype(object).to_numpy()
    missing = series.isna().to_numpy()
    return np.array(
        [None if gone else str(v) for v, gone in zip(values, missing, strict=True)],
        dtype=object,
    )


def matched(examples: Columns, names: list[str]) -> tuple[Columns, str | None]:
    """The example's columns under the model's input names.

    Returns:
        The columns, and a sentence if the example does not fit.
    """
    missing = [name for name in names if name not in examples]
    if not missing:
        return {name: examples[name] for name in names}, None
    is_unnamed = names == [f"x{index}" for index in range(len(names))]
    if is_unnamed and len(examples) in (len(names), len(names) + 1):
        return dict(zip(names, examples.values(), strict=False)), None
    listed = ", ".join(missing[:5])
    return {}, f"The example rows were not used: they lack the column(s) {listed}."


def refine(field: InputField, values: Any, *, is_certain: bool) -> InputField:
    """Add type, range and categories from example values to an input.

    Args:
        is_certain: The model itself knows the type; the example only adds to it.
    """
    if values is None or len(values) == 0:
        return field
    kind = field.type if is_certain else _type_of(values)
    if kind == "text":
        known = field.values or _categories(values)
        return InputField(field.name, kind, values=known, closed=field.closed)
    numbers = _numbers(values)
    if numbers is None or not len(numbers):
        return field
    low, high = numbers.min().item(), numbers.max().item()
    if kind == "boolean":
        return InputField(field.name, kind, values=field.values, closed=field.closed)
    return InputField(
        field.name, kind, values=field.values, closed=field.closed, min=low, max=high
    )


def _type_of(values: Any) -> InputType:
    kinds: dict[str, InputType] = {"b": "boolean", "i": "integer", "u": "integer"}
    return kinds.get(values.dtype.kind, "float" if values.dtype.kind == "f" else "text")


def _numbers(values: Any) -> Any:
    if values.dtype.kind not in "biuf":
        return None
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def _categories(values: Any) -> list[Scalar] | None:
    # What no database stores and no answer can hold is no category of a signature.
    distinct = sorted({v for v in values.tolist() if v is not None and is_storable(v)})
    return distinct if len(distinct) <= _MAX_CATEGORIES else None
