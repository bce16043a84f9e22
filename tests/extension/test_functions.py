"""Functions of a team's own in conditions, for tables and rows alike."""

from datetime import date, datetime

import pytest

from foretell import Extension, create_app
from foretell.core.columns import ColumnType
from foretell.expressions.check import check, parse_condition
from foretell.expressions.errors import ExpressionError
from foretell.expressions.own import FunctionInvalid, OwnFunction
from foretell.expressions.parser import parse
from foretell.expressions.row_compiler import to_function
from foretell.extension.errors import ExtensionInvalid
from foretell.testing.conformance import check_function

maths = Extension("maths")


@maths.function
def ratio(part: float, whole: float) -> float:
    return part / whole


@maths.function(name="initial")
def first_letter(text: str) -> str | None:
    return text[0] if text else None


@maths.function
def weekday(day: date) -> int:
    return day.isoweekday()


@maths.function
def is_late(at: datetime) -> bool:
    return at.hour >= 20


OWN = maths.functions
TIMES = ("19:59:59.999999", "20:00:00")
COLUMNS = {
    "x": ColumnType.FLOAT,
    "n": ColumnType.INTEGER,
    "s": ColumnType.TEXT,
    "d": ColumnType.DATE,
}


@pytest.fixture
def extensions():
    return [maths]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("ratio", [(1.0, 4.0), (1.0, 0.0), (-0.0, 2.0), (1e308, 1e-10)]),
        ("initial", [("Zoë",), ("",), ("ß",), ("🐎 b",)]),
        ("weekday", [(date(2024, 2, 29),), (date(1, 1, 1),), (date(9999, 12, 31),)]),
        ("is_late", [(datetime.fromisoformat(f"2024-01-01T{t}"),) for t in TIMES]),
    ],
)
def test_a_row_and_a_table_give_the_same(name, rows):
    check_function(OWN[name], rows)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ratio(n, 4)", 0.75),
        ("ratio(x, 0)", None),
        ("ratio(NULL, x)", None),
        ("initial(upper(s)) || '.'", "Z."),
        ("CASE WHEN weekday(d) < 6 THEN 'work' ELSE 'rest' END", "work"),
        ("coalesce(initial(''), '-')", "-"),
    ],
)
def test_it_is_used_like_any_other(text, value):
    row = {"x": 2.0, "n": 3, "s": "zoë", "d": date(2024, 2, 29)}
    assert to_function(check(parse(text), COLUMNS, OWN))(row) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ratio(n)", "ratio\\(float, float\\)"),
        ("ratio(s, 1)", "takes a float here, not a text"),
        ("ratoi(n, 2)", "no function"),
    ],
)
def test_a_wrong_call_is_refused(text, words):
    with pytest.raises(ExpressionError, match=words):
        check(parse(text), COLUMNS, OWN)


def test_a_function_that_breaks_its_word_is_a_fault():
    def liar(n: int) -> int:
        return "five"  # type: ignore[return-value]

    own = {"liar": OwnFunction.of(liar)}
    with pytest.raises(TypeError, match="gave a str"):
        to_function(parse_condition("liar(n) = 5", COLUMNS, own))({"n": 1})


async def test_where_of_a_dataset_knows_it(client, run_jobs):
    files = {"file": ("t.csv", b"name,part,whole\nann,1,2\nbob,1,0\ncy,3,4\n,1,1\n")}
    await client.post("/api/datasets", files=files, data={"name": "t"})
    await run_jobs()
    params = {"where": "ratio(part, whole) > 0.6 OR initial(name) = 'a'"}
    rows = (await client.get("/api/datasets/t/rows", params=params)).json()["items"]
    assert [row["name"] for row in rows] == ["ann", "cy", None]
    count = await client.get("/api/datasets/t/count", params=params)
    assert count.json()["count"] == 3
    wrong = {"where": "ratio(name, 1) > 2"}
    refused = await client.get("/api/datasets/t/rows", params=wrong)
    assert refused.status_code == 422
    assert "takes a float here, not a text" in refused.text


def untyped(value):
    return value


def of_list(values: list[int]) -> int:
    return len(values)


def nothing() -> int:
    return 1


@pytest.mark.parametrize("function", [untyped, of_list, nothing])
def test_what_has_no_types_of_the_language_is_refused(function):
    with pytest.raises(FunctionInvalid, match=function.__name__):
        OwnFunction.of(function)


@pytest.mark.parametrize("name", ["lower", "substring", "case", "Two", ""])
def test_names_of_the_language_stay_its_own(name):
    with pytest.raises(FunctionInvalid):
        OwnFunction.of(weekday, name or "É")


def test_two_extensions_cannot_have_one_function(settings):
    other = Extension("other")
    other.function(weekday)
    with pytest.raises(ExtensionInvalid, match="weekday"):
        create_app(settings, extensions=[maths, other])
    with pytest.raises(ExtensionInvalid, match="twice"):
        other.function(weekday)
