"""Both compilers give what the naive interpreter gives, for every expression."""

import math
import struct
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.expressions.check import check
from foretell.expressions.parser import parse
from foretell.expressions.polars_compiler import to_polars
from foretell.expressions.row_compiler import to_function
from foretell.expressions.typed import TypedNode
from tests.expressions.interpreter import evaluate
from tests.expressions.strategies import COLUMNS, expressions, in_zone, rows

SCHEMA = {
    "b": pl.Boolean(),
    "i": pl.Int64(),
    "j": pl.Int64(),
    "x": pl.Float64(),
    "y": pl.Float64(),
    "p": pl.Decimal(38, 4),
    "s": pl.String(),
    "Sepal Length": pl.String(),
    "d": pl.Date(),
    "c": pl.Time(),
    "t": pl.Datetime("us"),
}

ZURICH = "Europe/Zurich"

KINDS = ["boolean", "integer", "float", "text", "decimal", "date", "timestamp"]


def bits(value: Any) -> Any:
    """Make floats comparable to the last bit; any NaN is one value."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


def by_polars(typed: TypedNode, frame: pl.DataFrame) -> list[Any]:
    result = frame.lazy().with_columns(to_polars(typed).alias("result")).collect()
    return result["result"].to_list()


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(data=st.data())
def test_polars_and_the_row_function_agree_with_the_interpreter(kind, data):
    text = data.draw(expressions(kind), label="expression")
    table = data.draw(st.lists(rows, min_size=1, max_size=5), label="rows")
    typed = check(parse(text), COLUMNS)
    zoned = data.draw(st.booleans(), label="timestamps with a zone")
    expected = [evaluate(typed, row) for row in table]
    function = to_function(typed)
    frame = pl.DataFrame(table, schema=SCHEMA)
    if zoned:
        frame = frame.with_columns(
            pl.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone(ZURICH)
        )
        table = [{**row, "t": in_zone(row["t"])} for row in table]
    assert [bits(function(row)) for row in table] == [bits(v) for v in expected]
    assert [bits(value) for value in by_polars(typed, frame)] == [
        bits(value) for value in expected
    ]
