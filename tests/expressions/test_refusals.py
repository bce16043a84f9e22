"""Texts that are no expressions, do not fit, or are made to hurt."""

import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretell.core.columns import ColumnType
from foretell.errors import Invalid
from foretell.expressions.check import check, parse_condition
from foretell.expressions.errors import ExpressionError
from foretell.expressions.parser import parse
from foretell.expressions.polars_compiler import to_polars
from foretell.expressions.row_compiler import to_function

COLUMNS = {
    "age": ColumnType.INTEGER,
    "Price": ColumnType.FLOAT,
    "name": ColumnType.TEXT,
    "born": ColumnType.DATE,
    "ok": ColumnType.BOOLEAN,
    "tags": ColumnType.LIST,
}


def refusal(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        check(parse(text), COLUMNS)
    return caught.value


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 1, "empty"),
        ("   ", 1, "empty"),
        ("1 +", 4, "ends where a value"),
        ("age = ", 7, "ends where a value"),
        ("(age", 5, "')' is expected"),
        ("age)", 4, "an operator or the end"),
        ("age age", 5, "an operator or the end"),
        ("name = 'a", 8, "no closing quote"),
        ("name = 'a''b", 8, "no closing quote"),
        ('"age', 1, "no closing quote"),
        ('""', 1, "cannot be empty"),
        ("age && 1", 5, "write AND"),
        ("age | 1", 5, "write OR"),
        ("1; DROP TABLE x", 2, "not a statement"),
        ("2nd", 1, "cannot start with a digit"),
        ("age # 1", 5, "not expected"),
        ("1 < age < 3", 9, "BETWEEN"),
        ("age IS 3", 8, "NULL is expected"),
        ("age NOT 3", 9, "IN, BETWEEN or LIKE"),
        ("age IN 3", 8, "'(' is expected"),
        ("age IN ()", 5, "at least one value"),
        ("age BETWEEN 1", 14, "AND is expected"),
        ("name LIKE age", 11, "pattern"),
        ("name LIKE 'a' ESCAPE 'ab'", 22, "one character"),
        ("CASE END", 6, "a value is expected"),
        ("CASE age END", 10, "WHEN is expected"),
        ("CASE WHEN ok THEN 1", 20, "END is expected"),
        ("lower(name", 11, "')' is expected"),
        ('"lower"(name)', 1, "without quotes"),
        ("1e999", 1, "too large"),
        ("9" * 39, 1, "38 digits"),
        ("DATE '2024-02-30'", 6, "not a date"),
        ("+age", 1, "value on its left"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_where_it_breaks(text, position, words):
    error = refusal(text)
    assert words in error.detail
    assert error.context["position"] == position


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("agee > 1", 1, "Did you mean 'age'?"),
        ("1 + AGE", 5, "Did you mean 'age'?"),
        ("price > 1", 1, "Did you mean 'Price'?"),
        ('name = "Anna"', 8, "single quotes"),
        ("lowr(name)", 1, "Did you mean 'lower'"),
        ("substrin(name, 1)", 1, "'substring'"),
        ("name = 3", 6, "type text and integer"),
        ("age IN (1, 'x')", 5, "type integer and text"),
        ("age + name", 7, "takes numbers, not text"),
        ("name + 'a'", 1, "joined with ||"),
        ("age AND ok", 1, "conditions (boolean), not integer"),
        ("name || age", 9, "joins texts, not integer"),
        ("Price % 2", 7, "integers only"),
        ("ok < TRUE", 4, "no order"),
        ("born > 'yesterday'", 8, "YYYY-MM-DD"),
        ("born = name", 8, "cannot mix date and text"),
        ("born = 3", 8, "cannot mix date and integer"),
        ("tags = tags", 1, "list cannot be compared"),
        ("CASE WHEN ok THEN 1 ELSE 'a' END", 26, "cannot mix"),
        ("coalesce(age, 'a')", 15, "cannot mix"),
        ("length(age)", 8, "must be text, not integer"),
        ("length()", 1, "length(text) was given 0 arguments"),
        ("length(name, 1)", 1, "was given 2 arguments"),
        ("round(Price, age)", 14, "must be written out"),
        ("round(Price, 16)", 14, "at most 15"),
        ("substr(name, 0)", 14, "at least 1"),
        ("replace(name, name, 'a')", 15, "must be written out"),
        ("age LIKE 'a'", 1, "not integer"),
        ("year('2024-01-01')", 6, "must be date or timestamp"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_hint(text, position, words):
    error = refusal(text)
    assert words in error.detail
    assert error.context["position"] == position


def test_the_error_is_an_invalid_with_a_public_slug():
    error = refusal("agee")
    assert isinstance(error, Invalid)
    assert error.slug == "expression-invalid"
    assert error.context == {"position": 1, "suggestions": ["age"]}


def test_a_condition_must_be_boolean():
    with pytest.raises(ExpressionError, match="type integer"):
        parse_condition("age + 1", COLUMNS)
    assert parse_condition("NULL", COLUMNS).type is ColumnType.BOOLEAN
    assert parse_condition("age > 1", COLUMNS).type is ColumnType.BOOLEAN


def test_null_tests_take_columns_of_every_type():
    assert parse_condition("tags IS NULL", COLUMNS).type is ColumnType.BOOLEAN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1" * 10_000, "2,000 are allowed"),
        (" " * 2_001, "2,000 are allowed"),
        ("1+" * 150 + "1", "more than 200 parts"),
        ("age IN (" + "1," * 250 + "1)", "more than 200 parts"),
        ("(" * 1_000 + "1" + ")" * 999, "30 deep"),
        ("(" * 31 + "1" + ")" * 31, "30 deep"),
        ("-" * 1_999 + "1", "30 deep"),
        ("NOT " * 400 + "ok", "30 deep"),
        ("abs(" * 100 + "1", "30 deep"),
        ("CASE WHEN " * 100, "30 deep"),
        ("a = 'x\0y'", "U+0000"),
        ("\ud800", "U+D800"),
        ("'\udfff'", "U+DFFF"),
    ],
)
def test_hostile_texts_are_refused_before_any_work(text, words):
    assert words in refusal(text).detail


def test_the_limits_themselves_are_allowed():
    check(parse("(" * 30 + "1" + ")" * 30), {})
    typed = check(parse("+".join(["1"] * 100)), {})
    assert to_function(typed)({}) == 100
    check(parse("1" + " " * 1_999), {})


def test_nested_repetitions_do_not_multiply():
    text = "age"
    for _ in range(12):
        text = f"nullif({text}, age)"
    assert "repeats too much" in refusal(text).detail


def test_many_wildcards_take_linear_time():
    pattern = "%a" * 90 + "%b"
    function = to_function(check(parse(f"name LIKE '{pattern}'"), COLUMNS))
    start = time.thread_time()
    assert function({"name": "a" * 5_000}) is False
    assert time.thread_time() - start < 0.5


@settings(max_examples=300, deadline=None)
@example("((((")
@example("a" * 2_000)
@example("'%" + "_" * 500)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                [
                    *("(", ")", ",", "+", "-", "*", "/", "%", "=", "<>", "<", "||"),
                    *("1", "2.5", "'a'", "'é'", '"age"', "age", "name", "ok", "born"),
                    *("NULL", "and", "or", "not", "in", "between", "like", "is"),
                    *("case", "when", "then", "else", "end", "lower", "coalesce"),
                    *("DATE", "'2024-01-01'"),
                ]
            ),
            max_size=25,
        ).map(" ".join),
    )
)
def test_any_text_is_either_refused_or_compiled(text):
    position = 1
    try:
        typed = check(parse(text), COLUMNS)
    except ExpressionError as error:
        position = error.position
    else:
        to_polars(typed)
        to_function(typed)
    assert 1 <= position <= len(text) + 1


def test_names_and_texts_never_become_source():
    hostile = '"]; import os; x = row["'
    quoted = hostile.replace('"', '""')
    columns = {hostile: ColumnType.TEXT}
    typed = check(parse(f"\"{quoted}\" || ''');exit('"), columns)
    assert to_function(typed)({hostile: "a"}) == "a');exit("


def test_reading_expressions_loads_no_data_library():
    code = (
        "import sys, foretell.expressions.check, foretell.expressions.row_compiler;"
        "assert not {'polars', 'numpy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
