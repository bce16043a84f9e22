"""Tables of pandas, polars and Arrow, to and from what the API speaks.

The client depends on none of them. Arrow is the common ground: pandas and polars
frames export it (`__arrow_c_stream__`), so one conversion serves all three. Each
library is loaded by name when a caller asks for its frames.
"""

import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from foretell.client.calls import Content
from foretell.client.errors import FrameUnreadable, LibraryMissing
from foretell.client.shapes import Prediction

Source: TypeAlias = Any
"""A path, bytes, or a frame of pandas, polars or Arrow."""

ROWS_PER_CALL = 5_000


def library(name: str) -> Any:
    """A library that is needed only by some calls.

    Raises:
        LibraryMissing: It is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise LibraryMissing(name.partition(".")[0]) from error


def arrow_of(frame: Any) -> Any:
    """The Arrow table of a frame.

    Raises:
        FrameUnreadable: It is no table.
    """
    arrow = library("pyarrow")
    if not hasattr(frame, "__arrow_c_stream__"):
        raise FrameUnreadable(
            f"{type(frame).__name__} is no table: give a path, bytes, or a frame of "
            "pandas, polars or Arrow."
        )
    table = arrow.table(frame)
    for number, field in enumerate(table.schema):
        if library("pyarrow.types").is_string_view(field.type):
            # What polars exports; the CSV writer does not take it.
            text = table.column(number).cast(arrow.large_string())
            table = table.set_column(number, field.name, text)
    return table


def arrow_of_stream(body: bytes) -> Any:
    """The Arrow table of an IPC stream."""
    return library("pyarrow.ipc").open_stream(body).read_all()


def pandas_of(table: Any) -> Any:
    """The pandas frame of an Arrow table."""
    library("pandas")
    return table.to_pandas()


def polars_of(table: Any) -> Any:
    """The polars frame of an Arrow table."""
    return library("polars").from_arrow(table)


def content_of(source: Source, name: str | None) -> tuple[Content, dict[str, Any]]:
    """What to send for `source`, and the import options it needs.

    A frame travels as CSV with its types said, so that a text `007` stays text. An
    empty text becomes null on the way, as in any CSV.
    """
    if isinstance(source, (str, Path)):
        file = Path(source)
        return Content(file.name, file), {}
    if isinstance(source, bytes):
        return Content(name or "data", source), {}
    table = arrow_of(source)
    buffer = io.BytesIO()
    options = library("pyarrow.csv").WriteOptions(quoting_style="needed")
    types = {field.name: _type_of(field) for field in table.schema}
    library("pyarrow.csv").write_csv(table, buffer, options)
    dialect = {"format": "csv", "delimiter": ",", "encoding": "utf-8", "header": True}
    return Content(f"{name or 'frame'}.csv", buffer.getvalue()), dialect | {
        "types": types
    }


def rows_of(frame: Any) -> tuple[list[str], list[list[Any]]]:
    """Column names and rows of a frame, as JSON takes them; missing is null."""
    table = arrow_of(frame)
    columns = [_json_values(table.column(name)) for name in table.column_names]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)]


def with_predictions(frame: Any, predictions: Sequence[Prediction]) -> Any:
    """The frame with columns `prediction` and `probability_<label>`, same library.

    A name that the frame has already takes `_2`, as a batch job does.
    """
    added: dict[str, list[Any]] = {"prediction": [p["prediction"] for p in predictions]}
    labels = predictions[0].get("probabilities", {}) if predictions else {}
    for label in labels:
        values = [p["probabilities"][label] for p in predictions]
        added[f"probability_{label}"] = values
    kind = type(frame).__module__.partition(".")[0]
    if kind == "pandas":
        taken = set(map(str, frame.columns))
        return frame.assign(**{_free(n, taken): v for n, v in added.items()})
    table = arrow_of(frame)
    taken = set(table.column_names)
    for name, values in added.items():
        table = table.append_column(_free(name, taken), [values])
    return polars_of(table) if kind == "polars" else table


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _type_of(field: Any) -> str:
    types = library("pyarrow.types")
    for name, is_kind in (
        ("boolean", types.is_boolean),
        ("integer", types.is_integer),
        ("float", types.is_floating),
        ("decimal", types.is_decimal),
        ("date", types.is_date),
        ("timestamp", types.is_timestamp),
        ("time", types.is_time),
        ("text", types.is_string),
        ("text", types.is_large_string),
        ("text", types.is_null),
    ):
        if is_kind(field.type):
            return str(name)
    if types.is_dictionary(field.type):
        return "text"
    raise FrameUnreadable(
        f"Column {field.name!r} has the type {field.type}, which CSV cannot hold."
    )


def _json_values(column: Any) -> list[Any]:
    types = library("pyarrow.types")
    values: list[Any] = column.to_pylist()
    if types.is_floating(column.type):  # NaN: frames use it for missing
        return [None if value is None or value != value else value for value in values]
    if types.is_temporal(column.type):
        return [None if value is None else value.isoformat() for value in values]
    if types.is_decimal(column.type):
        return [None if value is None else str(value) for value in values]
    return values
