"""Evaluate a text with both compilers on one row and demand that they agree."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from foretell.core.columns import ColumnType
from foretell.expressions.check import check
from foretell.expressions.parser import parse
from foretell.expressions.polars_compiler import to_polars
from foretell.expressions.row_compiler import to_function

DTYPES: Mapping[ColumnType, pl.DataType] = {
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.DECIMAL: pl.Decimal(38, 4),
    ColumnType.FLOAT: pl.Float64(),
    ColumnType.TEXT: pl.String(),
    ColumnType.DATE: pl.Date(),
    ColumnType.TIME: pl.Time(),
    ColumnType.TIMESTAMP: pl.Datetime("us"),
    ColumnType.DURATION: pl.Duration("us"),
}


def value_of(text: str, **columns: tuple[ColumnType, Any]) -> Any:
    """Give the value of an expression; columns are pairs of type and value."""
    types = {name: type for name, (type, _) in columns.items()}
    row = {name: value for name, (_, value) in columns.items()}
    typed = check(parse(text), types)
    schema = {name: DTYPES[type] for name, type in types.items()}
    # Several rows, because polars treats a single one as a scalar in places.
    frame = pl.DataFrame([row] * 3, schema=schema) if row else pl.DataFrame([{"z": 0}])
    by_table = frame.with_columns(result=to_polars(typed))["result"][-1]
    by_row = to_function(typed)(row)
    assert type(by_table) is type(by_row)
    assert by_table == by_row or (math.isnan(by_table) and math.isnan(by_row))
    return by_row
