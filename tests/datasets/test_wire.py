"""What travels to a reader arrives as it was, and never larger than it is."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.core.columns import Column, ColumnType
from foretell.datasets.ports import (
    Counted,
    Grouping,
    GroupKey,
    Groups,
    Measure,
    Part,
    RowsPage,
    RowsQuery,
    SortKey,
    Table,
)
from foretell.datasets.wire import pack, unpack
from foretell.expressions.check import check, parse_condition
from foretell.expressions.own import OwnFunction
from foretell.expressions.parser import parse
from foretell.expressions.typed import Operation, TypedColumn, TypedNode

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner)
    | st.lists(inner).map(tuple)
    | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(value=PLAIN)
def test_plain_values_arrive_as_they_were(value):
    found = unpack(pack(value))
    assert found == value
    assert type(found) is type(value)


TYPES = {
    "n": ColumnType.INTEGER,
    "m": ColumnType.DECIMAL,
    "t": ColumnType.TEXT,
    "d": ColumnType.DATE,
}


@pytest.mark.parametrize(
    "text",
    [
        "n > 9007199254740993 AND t LIKE 'a%' ESCAPE '!'",
        "CASE WHEN n IS NULL THEN t ELSE upper(t) END = 'STRASSE'",
        "n IN (1, 2, NULL) OR NOT (m * 1.50 <= -2)",
        "d >= DATE '2024-02-29' AND year(d) BETWEEN 2020 AND 2030",
        "round(m / 3, 2) = 0.33 AND coalesce(t, '') <> 'ß'",
    ],
)
def test_conditions_arrive_as_they_were(text):
    node = parse_condition(text, TYPES, {})
    assert unpack(pack(node)) == node


def test_questions_and_answers_arrive_as_they_were():
    value = check(parse("n + 1"), TYPES, {})
    table = Table(
        [Part(Path("/tmp/a.parquet"), 3)],  # noqa: S108
        [Column("n", ColumnType.INTEGER, nullable=False)],
    )
    query = RowsQuery(["n"], None, [SortKey("n", descending=True)])
    grouping = Grouping(
        [GroupKey("k", value)], [Measure("q", "quantile", value, 0.5)], None, []
    )
    answers = [
        RowsPage(b"[]", {"values": [1, None], "row": 2}, None),
        Counted(3, is_exact=False),
        Groups(b"[{}]", 1),
    ]
    sent = ("page", [table, query, grouping], answers)
    assert unpack(pack(sent)) == sent


def test_a_node_that_is_used_often_travels_once():
    node: TypedNode = TypedColumn(ColumnType.INTEGER, "n")
    for _ in range(60):  # written out: 2 ** 60 nodes
        node = Operation(ColumnType.INTEGER, "add", (node, node))
    data = pack(node)
    assert len(data) < 10_000
    found = unpack(data)
    assert found.arguments[0] is found.arguments[1]


def twice(number: int) -> int:
    return 2 * number


def test_functions_of_extensions_are_found_by_their_place():
    own = {"twice": OwnFunction.of(twice)}
    node = check(parse("twice(n)"), TYPES, own)
    places = []

    def find(place):
        places.append(place)
        return twice

    assert unpack(pack(node), find) == node
    assert places == [f"{__name__}:twice"]
    with pytest.raises(ValueError, match="extension"):
        unpack(pack(node))


@pytest.mark.parametrize("value", [object(), {1, 2}, time, Column])
def test_nothing_else_travels(value):
    with pytest.raises(TypeError, match="does not travel"):
        pack(value)


def test_moments_days_and_decimals_keep_their_kind():
    sent = [datetime(2024, 1, 1, tzinfo=UTC), date(2024, 1, 1), Decimal("1.50")]
    assert list(map(repr, unpack(pack(sent)))) == list(map(repr, sent))
