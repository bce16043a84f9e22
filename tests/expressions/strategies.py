"""Random well-typed expressions, as text, and random rows for them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from foretell.core.columns import ColumnType

COLUMNS = {
    "b": ColumnType.BOOLEAN,
    "i": ColumnType.INTEGER,
    "j": ColumnType.INTEGER,
    "x": ColumnType.FLOAT,
    "y": ColumnType.FLOAT,
    "p": ColumnType.DECIMAL,
    "s": ColumnType.TEXT,
    "Sepal Length": ColumnType.TEXT,
    "d": ColumnType.DATE,
    "c": ColumnType.TIME,
    "t": ColumnType.TIMESTAMP,
}

_texts = st.one_of(
    st.sampled_from(
        ["", "ß", "İ", "ΑΣ", "a%b_c", "Straße", " x ", "'", '"', "\\", "é"]
    ),
    st.text("abAB ßİΣσ%_.*\n'\u0301\u2003", max_size=6),
)
_integers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 3_037_000_500]),
    st.integers(-(2**63), 2**63 - 1),
)
_floats = st.one_of(
    st.sampled_from(
        [0.0, -0.0, 0.5, -0.5, 2.5, 2.675, 0.1, 49.0, 2.0**53, 1e308, 5e-324]
    ),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.floats(),
)
_dates = st.one_of(
    st.sampled_from([date(2024, 2, 29), date(1969, 12, 31)]),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
)
_timestamps = st.one_of(
    # Around the hour that Zürich has twice: one wall clock, two moments.
    st.sampled_from(["2024-10-27 00:30", "2024-10-27 01:30", "2024-03-31 01:00"]).map(
        datetime.fromisoformat
    ),
    st.datetimes(
        datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01")
    ),
)
_decimals = st.decimals(Decimal(-1000), Decimal(1000), places=4)


def _nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values, values, values)


rows = st.fixed_dictionaries(
    {
        "b": _nullable(st.booleans()),
        "i": _nullable(_integers),
        "j": _nullable(_integers),
        "x": _nullable(_floats),
        "y": _nullable(_floats),
        "p": _nullable(_decimals),
        "s": _nullable(_texts),
        "Sepal Length": _nullable(_texts),
        "d": _nullable(_dates),
        "c": _nullable(st.times()),
        "t": _nullable(_timestamps),
    }
)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _form(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda values: template.format(*values))


_NULL = st.just("NULL")
_literals = {
    "boolean": st.sampled_from(["TRUE", "FALSE"]),
    "integer": _integers.map(str),
    "float": _floats.filter(lambda v: abs(v) < 1e300).map(lambda v: f"{v!r}"),
    "text": _texts.map(quoted),
    "date": _dates.map(lambda v: f"DATE '{v}'"),
    "timestamp": _timestamps.map(lambda v: f"TIMESTAMP '{v}'"),
}
_columns = {
    "boolean": st.just("b"),
    "integer": st.sampled_from(["i", "j"]),
    "float": st.sampled_from(["x", "y"]),
    "decimal": st.just("p"),
    "text": st.sampled_from(["s", '"Sepal Length"']),
    "date": st.just("d"),
    "timestamp": st.just("t"),
}
_comparison = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])


@cache
def expressions(kind: str, depth: int = 3) -> st.SearchStrategy[str]:
    """Give texts of expressions of one type; about one leaf in ten is NULL."""
    leaves = [_columns[kind]] * 6
    if kind in _literals:
        leaves += [_literals[kind]] * 3
    leaf = st.one_of(*leaves, _NULL)
    if depth == 0:
        return leaf
    return st.one_of(leaf, *_compound(kind, depth - 1))


def _compound(kind: str, depth: int) -> list[st.SearchStrategy[str]]:
    def of(other: str) -> st.SearchStrategy[str]:
        return expressions(other, depth)

    same = of(kind)
    common = [
        _form("CASE WHEN {} THEN {} ELSE {} END", of("boolean"), same, same),
        _form("CASE {} WHEN {} THEN {} END", of("integer"), of("integer"), same),
        _form("coalesce({}, {})", same, same),
        _form("nullif({}, {})", same, same),
    ]
    match kind:
        case "boolean":
            return _booleans(of)
        case "integer":
            return common + _integer_forms(of)
        case "float":
            return common + _float_forms(of)
        case "text":
            return common + _text_forms(of)
        case "date":
            return [*common, _form("to_date({})", of("timestamp"))]
        case "timestamp":
            return [*common, _form("coalesce({}, {})", of("date"), same)]
    return common


def _booleans(of: Any) -> list[st.SearchStrategy[str]]:
    boolean, text = of("boolean"), of("text")
    number = st.one_of(of("integer"), of("float"), of("decimal"))
    day = st.one_of(of("date"), of("timestamp"))
    day_text = st.one_of(_dates.map(str), _timestamps.map(str)).map(quoted)
    pattern = st.text("ab%_ßΣ\\", max_size=5).map(quoted)
    forms = [
        _form("({} AND {})", boolean, boolean),
        _form("({} OR {})", boolean, boolean),
        _form("(NOT {})", boolean),
        _form("({} = {})", boolean, boolean),
        _form("({} LIKE {})", text, pattern),
        _form("({} NOT LIKE {} ESCAPE '\\')", text, pattern),
        _form("(t {} {})", _comparison, day_text),
        _form("({} {} c)", _literal_times(), _comparison),
    ]
    for values in (number, text, day):
        forms += [
            _form("({} {} {})", values, _comparison, values),
            _form("({} BETWEEN {} AND {})", values, values, values),
            _form("({} NOT IN ({}, {}))", values, values, values),
            _form("({} IS NOT NULL)", values),
        ]
    literals = st.lists(st.one_of(_literals["text"], _NULL), min_size=1, max_size=4)
    forms.append(_form("({} IN ({}))", text, literals.map(", ".join)))
    numbers = st.lists(st.one_of(_literals["integer"], _NULL), min_size=1, max_size=4)
    forms.append(_form("({} IN ({}))", number, numbers.map(", ".join)))
    for name in ("contains", "starts_with", "ends_with"):
        forms.append(_form(name + "({}, {})", text, text))
    return forms


def _literal_times() -> st.SearchStrategy[str]:
    return st.times().map(lambda value: quoted(value.strftime("%H:%M:%S.%f")))


def _integer_forms(of: Any) -> list[st.SearchStrategy[str]]:
    integer, text = of("integer"), of("text")
    return [
        _form("({} {} {})", integer, st.sampled_from(["+", "-", "*", "%"]), integer),
        _form("(-{})", integer),
        _form("abs({})", integer),
        _form("round({}, 2)", integer),
        _form("length({})", text),
        *(
            _form(name + "({})", of(kind))
            for name in (
                "year",
                "month",
                "day",
                "day_of_week",
                "quarter",
                "day_of_year",
            )
            for kind in ("date", "timestamp")
        ),
        *(_form(name + "({})", of("timestamp")) for name in ("hour", "minute")),
        st.sampled_from(["hour(c)", "minute(c)", "second(c)"]),
        _form("days_between({}, {})", of("date"), of("date")),
        _form("to_integer({})", st.one_of(text, _numerals)),
        _form("greatest({}, {}, {})", integer, integer, integer),
    ]


def _float_forms(of: Any) -> list[st.SearchStrategy[str]]:
    number = st.one_of(of("integer"), of("float"), of("decimal"))
    exact = of("float")
    return [
        _form("({} {} {})", exact, st.sampled_from(["+", "-", "*"]), number),
        _form("({} / {})", number, number),
        _form("({} / {})", number, st.sampled_from(["3", "7.0", "49", "0", "-0.0"])),
        _form("(-{})", exact),
        _form("{}({})", st.sampled_from(["abs", "round", "floor", "ceil"]), exact),
        _form("round({}, {})", exact, st.integers(0, 15).map(str)),
        _form("{}({})", st.sampled_from(["sqrt", "exp", "ln"]), number),
        _form("to_float({})", st.one_of(of("text"), _numerals)),
        _form("least({}, {})", exact, exact),
    ]


def _text_forms(of: Any) -> list[st.SearchStrategy[str]]:
    text, integer = of("text"), of("integer")
    return [
        _form(
            "{}({})",
            st.sampled_from(["lower", "upper", "trim", "ltrim", "rtrim"]),
            text,
        ),
        _form("{}({}, {})", st.sampled_from(["left", "right"]), text, integer),
        _form("{}({}, {}, 'ß')", _pads, text, st.integers(0, 9).map(str)),
        _form("split_part({}, {}, {})", text, _separators, _small),
        _form("if({}, {}, {})", of("boolean"), text, text),
        _form("greatest({}, {})", text, text),
        _form("({} || {})", text, text),
        _form("concat({}, {})", text, text),
        _form("substr({}, {})", text, _starts()),
        # A sum, because a negative length written out is refused.
        _form("substr({}, {}, ({} + 0))", text, _starts(), integer),
        _form("replace({}, {}, {})", text, _literals["text"], _literals["text"]),
    ]


_pads = st.sampled_from(["lpad", "rpad"])
_separators = st.sampled_from(["'a'", "' '", "'ß'", "'ab'", "'%'"])
_small = st.integers(1, 4).map(str)
_numerals = st.one_of(
    st.sampled_from(["+7", "-0", " 12 ", "1e400", "9223372036854775808", "1.", ".5"]),
    st.sampled_from(["-.5E-3", "0x1", "1_0", "٣", "--1", "+-1", "1e", "nan", "007"]),
    _integers.map(str),
    st.floats(allow_nan=False).map(repr),
).map(quoted)


def _starts() -> st.SearchStrategy[str]:
    return st.sampled_from(["1", "2", "5", "9223372036854775807", "i", "(i + 1)"])


def in_zone(moment: datetime | None) -> datetime | None:
    """Give the same moment with the zone of Zürich."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/Zurich"))
