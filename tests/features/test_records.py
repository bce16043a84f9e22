"""Raw records in, features out: types, nulls, refusals, and equality with tables."""

import math
import struct
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.core.columns import ColumnType
from foretell.features.definition import Definition, Feature, Input
from foretell.features.errors import FeatureSetInvalid, RecordsInvalid
from foretell.features.frames import expressions
from foretell.features.records import Features, public


def features(inputs=(), **expressions):
    return Features(
        Definition(
            "f",
            1,
            [Feature(name, text) for name, text in expressions.items()],
            [Input(name, ColumnType(type)) for name, type in dict(inputs).items()],
        ),
        {},
    )


def test_a_feature_is_an_expression_over_the_record():
    found = features(a="lower(trim(s))", n="length(s)").compute(
        [{"s": "  Straße "}, {"s": None}, {"s": ""}, {"s": "İ", "unused": [1]}]
    )
    assert found == [
        {"a": "straße", "n": 9},
        {"a": None, "n": None},
        {"a": "", "n": 0},
        {"a": "i̇", "n": 1},
    ]


def test_values_say_what_they_are_where_nothing_is_declared():
    twice = features(d="x * 2")
    assert twice.compute([{"x": 2**53 + 1}]) == [{"d": 2**54 + 2}]
    assert twice.compute([{"x": 1}, {"x": 0.5}]) == [{"d": 2.0}, {"d": 1.0}]
    assert twice.compute([{"x": None}]) == [{"d": None}]
    assert twice.compute([]) == []


def test_declared_members_are_read_as_their_type():
    found = features(
        {"d": "date", "t": "timestamp", "p": "decimal", "x": "float"},
        year="year(d)",
        hour="hour(t)",
        dear="p > 9.99",
        half="x / 2",
    ).compute([{"d": "2024-02-29", "t": "2024-10-27T01:30:00Z", "p": "10", "x": 3}])
    assert found == [{"year": 2024, "hour": 1, "dear": True, "half": 1.5}]


@pytest.mark.parametrize(
    ("row", "pointer", "code"),
    [
        ({}, "/rows/1/x", "missing"),
        ({"x": "1"}, "/rows/1/x", "float_type"),
        ({"x": True}, "/rows/1/x", "float_type"),
        ({"x": [1]}, "/rows/1/x", "float_type"),
        ({"x": 10**400}, "/rows/1/x", "float_type"),
        ([1], "/rows/1", "object_type"),
    ],
)
def test_a_record_that_does_not_fit_is_named(row, pointer, code):
    with pytest.raises(RecordsInvalid) as caught:
        features({"x": "float"}, y="x + 1").compute([{"x": 1.5}, row])
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == (pointer, code)


def test_undeclared_values_are_of_one_type():
    with pytest.raises(RecordsInvalid) as caught:
        features(y="x").compute([{"x": 1}, {"x": "a"}])
    assert [error.pointer for error in caught.value.errors] == ["/rows/0/x"]


def test_a_wrong_expression_is_named_by_its_feature():
    definition = Definition(
        "f",
        1,
        [Feature("a", "lower(s)"), Feature("b", "lwer(s)")],
        [Input("s", ColumnType.TEXT)],
    )
    with pytest.raises(FeatureSetInvalid) as caught:
        definition.check_syntax({})
    assert [e.pointer for e in caught.value.errors] == ["/features/1/expression"]
    assert caught.value.context["suggestions"][0] == "lower"


def test_answers_are_written_as_json_has_them():
    given = [
        math.nan,
        math.inf,
        Decimal("1E+2"),
        date(2024, 2, 29),
        datetime.fromisoformat("2024-01-02T03:00"),
    ]
    assert [public(value) for value in given] == [
        None,
        None,
        "100",
        "2024-02-29",
        "2024-01-02T03:00:00",
    ]


EXPRESSIONS = {
    "a": "lower(trim(s))",
    "b": "coalesce(x, 0) / 3",
    "c": "CASE WHEN n % 7 = 0 THEN 'week' ELSE substr(s, 2, 3) END",
    "d": "hour(t) + day_of_week(t)",
    "e": "round(ln(x * x + 1), 3)",
    "f": "n * 3 > x",
}
TYPES = {
    "s": ColumnType.TEXT,
    "x": ColumnType.FLOAT,
    "n": ColumnType.INTEGER,
    "t": ColumnType.TIMESTAMP,
}
SCHEMA: dict[str, Any] = {
    "s": pl.String,
    "x": pl.Float64,
    "n": pl.Int64,
    "t": pl.Datetime("us"),
}
_moments = st.datetimes(
    datetime.fromisoformat("1950-01-01"), datetime.fromisoformat("2050-01-01")
)
_rows = st.fixed_dictionaries(
    {
        "s": st.none() | st.text(max_size=8).filter(lambda t: "\x00" not in t),
        "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "t": st.none() | _moments,
    }
)


def bits(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(_rows, min_size=1, max_size=20))
def test_a_record_and_a_table_give_the_same_features(rows):
    declared = features({n: str(t) for n, t in TYPES.items()}, **EXPRESSIONS)
    online = declared.compute([{**row, "t": public(row["t"])} for row in rows])
    frame = pl.DataFrame(rows, schema=SCHEMA)
    program = declared.program(TYPES)
    batch = frame.with_columns(expressions(program)).select(list(EXPRESSIONS))
    for one, other in zip(online, batch.rows(named=True), strict=True):
        assert {n: bits(v) for n, v in one.items()} == {
            n: bits(v) for n, v in other.items()
        }
