"""select, sort and cursors: every name is found as written or refused by name."""

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, lists, text, tuples

from foretell.core.columns import Column, ColumnType
from foretell.core.pagination import Cursors
from foretell.datasets.errors import ColumnUnknown, ParameterInvalid
from foretell.datasets.ports import SortKey
from foretell.datasets.query import (
    RowsRequest,
    Selection,
    Sent,
    request_of_cursor,
    selected,
    sort_keys,
    split_names,
)
from foretell.expressions.errors import ExpressionError

CURSORS = Cursors(b"k" * 32)
COLUMNS = ["a", "Sepal Length", 'say "hi"', "-x", "b,c"]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(lists(tuples(text(min_size=1), booleans()), min_size=1))
def test_quoted_names_come_back_whatever_they_hold(names):
    written = ",".join(("-" if down else "") + quoted(name) for name, down in names)
    assert split_names("sort", written, signed=True) == names


def test_select_keeps_the_order_asked_for():
    assert selected('"b,c",a,"say ""hi"""', COLUMNS) == ["b,c", "a", 'say "hi"']
    assert selected(None, COLUMNS) == COLUMNS


def test_a_minus_belongs_to_the_name_only_in_quotes():
    assert sort_keys('-a,"-x"', COLUMNS) == [SortKey("a", True), SortKey("-x")]
    assert selected("-x", COLUMNS) == ["-x"]


@pytest.mark.parametrize("wrong", ["nope", "A", "sepal length", "a,nope"])
def test_an_unknown_column_is_named_with_those_there_are(wrong):
    with pytest.raises(ColumnUnknown, match="Sepal Length"):
        selected(wrong, COLUMNS)


@pytest.mark.parametrize("wrong", ["", "a,,b", "a,", '"a', '"a"x', "a,a"])
def test_a_malformed_list_is_refused(wrong):
    with pytest.raises(ParameterInvalid):
        selected(wrong, COLUMNS)


def test_a_cursor_suffices_alone_and_may_be_repeated():
    wanted = RowsRequest("id", 3, "a", "a > 1", "-a")
    cursor = wanted.cursor(CURSORS, {"row": 7, "values": [1]})
    assert cursor is not None
    again = request_of_cursor(CURSORS, cursor, Sent())
    assert (again.version, again.position) == (3, {"row": 7, "values": [1]})
    same = Sent(version=3, select="a", where="a > 1", sort="-a")
    assert request_of_cursor(CURSORS, cursor, same) == again


@pytest.mark.parametrize(
    "other",
    [Sent(version=4), Sent(select="b"), Sent(where="a > 2"), Sent(sort="a")],
)
def test_a_parameter_that_contradicts_the_cursor_is_refused(other):
    cursor = RowsRequest("id", 3, "a", "a > 1", "-a").cursor(CURSORS, {"row": 1})
    assert cursor is not None
    with pytest.raises(ParameterInvalid, match="contradicts"):
        request_of_cursor(CURSORS, cursor, other)


def test_a_request_checks_its_names_against_the_version():
    columns = [Column("a", ColumnType.INTEGER), Column("t", ColumnType.TEXT)]
    query = RowsRequest("id", 1, "t", "a > 1", "-a").query(columns, {})
    assert (query.select, query.sort) == (["t"], [SortKey("a", True)])
    assert query.where is not None


def test_a_condition_sees_derived_columns_in_the_place_of_stored_ones():
    columns = [Column("a", ColumnType.INTEGER), Column("t", ColumnType.TEXT)]
    asked = Selection.of(
        columns, "t > 3 AND a > 1", {"t": "length(trim(t))"}, functions={}
    )
    assert asked.derived["t"].type is ColumnType.INTEGER
    assert asked.where is not None
    with pytest.raises(ExpressionError, match="'u'"):
        Selection.of(columns, None, {"v": "u + 1"}, functions={})
