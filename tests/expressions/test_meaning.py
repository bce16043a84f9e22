"""What expressions mean, case by case; every case runs on both compilers."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest

from foretell.core.columns import ColumnType
from foretell.expressions.check import check
from foretell.expressions.functions import FUNCTIONS
from foretell.expressions.parser import parse
from foretell.expressions.polars_compiler import to_polars
from foretell.expressions.row_compiler import to_function
from tests.expressions.evaluation import value_of

BIG = 2**63 - 1
FLOAT, INTEGER, TEXT = ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.TEXT


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("2 - 3 - 4", -5),
        ("-2 * -3", 6),
        ("7 / 2", 3.5),
        ("6 / 3", 2.0),
        ("1 / 0", None),
        ("0.0 / -0.0", None),
        ("-7 % 3", 2),
        ("7 % -3", -2),
        ("7 % 0", None),
        (f"{BIG} + 1", None),
        (f"-{BIG} - 2", None),
        ("-9223372036854775808 * -1", None),
        ("-(-9223372036854775808)", None),
        ("abs(-9223372036854775808)", None),
        ("3037000500 * 3037000500", None),
        ("3037000499 * 3037000499", 3037000499**2),
        ("9007199254740993 = 9007199254740992.0", True),
        ("9007199254740993 = 9007199254740992", False),
        ("99999999999999999999 > 9223372036854775807", True),
    ],
)
def test_arithmetic_has_a_value_or_is_null(text, value):
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NULL = NULL", None),
        ("1 = NULL", None),
        ("NULL + 1", None),
        ("NULL AND FALSE", False),
        ("NULL AND TRUE", None),
        ("NULL OR TRUE", True),
        ("NULL OR FALSE", None),
        ("NOT NULL", None),
        ("NULL IS NULL", True),
        ("1 IS NOT NULL", True),
        ("1 IN (1, NULL)", True),
        ("2 IN (1, NULL)", None),
        ("2 NOT IN (1, NULL)", None),
        ("NULL IN (1)", None),
        ("2 NOT IN (1, 3)", True),
        ("NULL BETWEEN 1 AND 2", None),
        ("3 BETWEEN NULL AND 2", False),
        ("2 NOT BETWEEN 1 AND 2", False),
        ("NULL LIKE '%'", None),
        ("CASE WHEN NULL THEN 1 ELSE 2 END", 2),
        ("CASE NULL WHEN NULL THEN 1 END", None),
        ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "b"),
        ("CASE WHEN FALSE THEN 1 END", None),
        ("CASE WHEN TRUE THEN 1 ELSE 2.5 END", 1.0),
        ("coalesce(NULL, NULL)", None),
        ("'a' || NULL", None),
        ("concat('a', NULL)", "a"),
        ("concat(NULL)", ""),
        ("nullif(1, 1.0)", None),
        ("nullif(1, NULL)", 1),
    ],
)
def test_nulls_follow_sql(text, value):
    assert value_of(text) is value or value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NOT FALSE AND FALSE", False),
        ("NOT 1 = 2", True),
        ("TRUE OR FALSE AND FALSE", True),
        ("1 + 1 = 2 AND 'a' || 'b' = 'ab'", True),
        ("1 BETWEEN 0 AND 2 AND TRUE", True),
        ("'it''s' = 'it''s'", True),
        ("1<2", True),
        ("1 <> 1.0", False),
        ("1 == 1", True),
        ("case when true then 'X' end", "X"),
    ],
)
def test_operators_bind_as_in_sql(text, value):
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'abc' LIKE 'a%'", True),
        ("'abc' LIKE 'b%'", False),
        ("'abc' LIKE '_b_'", True),
        ("'ABC' LIKE 'abc'", False),
        ("'a\nc' LIKE 'a_c'", True),
        ("'a\n' LIKE 'a'", False),
        ("'a.c' LIKE 'a.c'", True),
        ("'abc' LIKE 'a.c'", False),
        ("'ß' LIKE '_'", True),
        ("'' LIKE '%%'", True),
        ("'50%' LIKE '50!%' ESCAPE '!'", True),
        ("'505' LIKE '50!%' ESCAPE '!'", False),
        ("'a!' LIKE 'a!' ESCAPE '!'", True),
        ("'a\\b' LIKE 'a\\b'", True),
        ("'xaxb' LIKE '%a%b'", True),
        ("'xbxa' LIKE '%a%b'", False),
        ("'abab' LIKE '%ab'", True),
    ],
)
def test_like_knows_two_wildcards_and_an_escape(text, value):
    assert value_of(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("upper('ß')", "SS"),
        ("lower('İ')", "i̇"),
        ("lower('ΑΣ')", "ας"),
        ("length('🇨🇭')", 2),
        ("trim(' \t\u2003a\x1f ')", "a\x1f"),
        ("substr('abc', 2)", "bc"),
        ("substring('abc', 9)", ""),
        ("substr('aßc', 2, 1)", "ß"),
        ("substr('abc', 1, 0)", ""),
        ("replace('aaa', 'aa', 'b')", "ba"),
        ("replace('abc', '', 'x')", "abc"),
        ("replace('a$b', '$', '$0')", "a$0b"),
        ("contains('abc', '')", True),
        ("contains('a.c', '.')", True),
        ("contains('abc', '.')", False),
        ("round(2.5)", 3.0),
        ("round(-0.4)", -0.0),
        ("round(0.49999999999999994)", 0.0),
        ("round(1.005, 2)", 1.0),
        ("round(0.125, 2)", 0.13),
        ("round(1e300, 15)", 1e300),
        ("round(7, 2)", 7),
        ("floor(-0.5)", -1.0),
        ("ceiling(0.5)", 1.0),
    ],
)
def test_functions_have_the_documented_edges(text, value):
    assert value_of(text) == value


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_example_of_every_function_is_true(name):
    text, value = FUNCTIONS[name].example
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = x", True),
        ("x > 1e300", True),
        ("1e300 < x", True),
        ("x < 1.0", False),
        ("x <> 1.0", True),
        ("x IN (1.0)", False),
        ("x IS NULL", False),
    ],
)
def test_nan_equals_itself_and_is_above_every_number(text, expected):
    assert value_of(text, x=(FLOAT, float("nan"))) is expected


def test_zero_and_negative_zero_are_equal():
    assert value_of("x = 0 AND NOT x < 0 AND x IN (0)", x=(FLOAT, -0.0)) is True


def test_decimals_are_compared_as_they_are_written():
    price = (ColumnType.DECIMAL, Decimal("0.1000"))
    assert value_of("price = 0.1", price=price) is True
    assert value_of("price BETWEEN 0.1 AND 1", price=price) is True
    assert value_of("price * 3", price=price) == 0.1 * 3
    assert value_of("coalesce(price, 0)", price=price) == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d = '2024-02-29'", True),
        ("'2024-03-01' > d", True),
        ("d IN ('2024-02-29', '2024-03-01')", True),
        ("d BETWEEN '2024-01-01' AND '2024-12-31'", True),
        ("d < '2024-02-29 00:00:01'", True),
        ("t > '2024-02-29'", True),
        ("t = '2024-02-29T10:30:00Z'", True),
        ("t = '2024-02-29 11:30+01:00'", True),
        ("t > d", True),
        ("c = '10:30'", True),
        ("CASE WHEN TRUE THEN d ELSE '2024-01-01' END = d", True),
        ("year(t) * 10000 + month(d) * 100 + day(t)", 20240229),
    ],
)
def test_a_text_beside_a_date_or_time_is_read_as_one(text, expected):
    found = value_of(
        text,
        d=(ColumnType.DATE, date(2024, 2, 29)),
        t=(ColumnType.TIMESTAMP, datetime.fromisoformat("2024-02-29 10:30")),
        c=(ColumnType.TIME, time(10, 30)),
    )
    assert found == expected


def test_a_timestamp_with_a_zone_is_taken_in_utc():
    typed = check(
        parse("t = '2024-10-27 00:30' AND day(t) = 27"), {"t": ColumnType.TIMESTAMP}
    )
    moment = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    frame = pl.DataFrame({"t": [moment]}).with_columns(
        pl.col("t").dt.convert_time_zone("Europe/Zurich")
    )
    assert frame.select(to_polars(typed)).item() is True
    assert to_function(typed)(frame.row(0, named=True)) is True


def test_durations_are_compared_with_each_other():
    duration = (ColumnType.DURATION, timedelta(hours=1))
    assert value_of("a = b", a=duration, b=duration) is True


@pytest.mark.parametrize("divisor", ["3", "k", "(3 + 0)", "CASE WHEN k = k THEN 3 END"])
def test_division_by_a_constant_is_rounded_once(divisor):
    """polars alone divides by a scalar through its reciprocal."""
    typed = check(parse(f"x / {divisor}"), {"x": FLOAT, "k": FLOAT})
    values = [float(value) for value in range(1, 200)]
    frame = pl.DataFrame({"x": values}).lazy().with_columns(k=pl.lit(3.0))
    expected = [value / 3.0 for value in values]
    for engine in ("in-memory", "streaming"):
        result = frame.select(result=to_polars(typed)).collect(engine=engine)
        assert result["result"].to_list() == expected


def test_column_names_match_exactly():
    row = {"a": (INTEGER, 1), "A": (INTEGER, 2), 'Sepal "L"': (INTEGER, 3)}
    assert value_of('a + 10 * A + 100 * "Sepal ""L"""', **row) == 321
    assert value_of('größe + "case"', größe=(INTEGER, 1), case=(INTEGER, 2)) == 3


def test_the_row_function_ignores_further_keys_and_misses_none():
    function = to_function(check(parse("a"), {"a": INTEGER}))
    assert function({"a": 1, "b": 2}) == 1
    with pytest.raises(KeyError):
        function({"b": 2})
