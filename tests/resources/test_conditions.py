"""`where` on a database means what the row compiler says it means."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from foretell.errors import ForetellError
from foretell.expressions.check import parse_condition
from foretell.expressions.row_compiler import to_function
from foretell.resources.store import compiled_of
from tests.expressions.strategies import expressions, rows
from tests.resources.looping import Looping
from tests.resources.models import everything

TYPES = {column.name: column.type for column in everything.readable}
QUIET = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
    ],
)


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the language's tests as a row of the table."""
    found: dict[str, Any] = {name: row[name] for name in "bijxpsdct"}
    found["long"] = row["Sepal Length"]
    if found["x"] is not None and not -1e300 < found["x"] < 1e300:
        found["x"] = None  # beyond what JSON brings in
    for name in ("s", "long"):
        if found[name] is not None:
            found[name] = found[name].replace("\0", "")
    if found["t"] is not None:
        found["t"] = found["t"].replace(tzinfo=UTC)
    return found


stored = rows.map(_storable)
conditions = expressions("boolean").map(
    lambda text: text.replace('"Sepal Length"', "long").replace("y", "x")
)


def _typed(text: str, dialect: str) -> Any:
    """The condition if it is one of the subset."""
    try:
        typed = parse_condition(text, TYPES)
        compiled_of(everything).plans(dialect).condition(text)
    except ForetellError:
        assume(False)
    return typed


@settings(QUIET, max_examples=50)
@given(text=conditions, many=st.lists(stored, min_size=1, max_size=5))
def test_a_condition_finds_the_rows_for_which_it_is_true(
    loop_of: Looping, text: str, many: list[dict[str, Any]]
) -> None:
    database = loop_of.served.state.database
    typed = _typed(text, database.dialect)
    evaluate = to_function(typed)
    named = [{"id": str(n), **row} for n, row in enumerate(many)]
    wanted = [row["id"] for row in named if evaluate(row | {"e": None, "u": None})]

    async def found() -> list[str]:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        system = {"version": 1, "created_at": now, "updated_at": now}
        async with database.writing() as session:
            await session.execute(delete(everything.table))
            values = [row | system for row in named]
            await session.execute(insert(everything.table), values)
        params = {"where": text, "sort": "id"}
        answer = await loop_of.served.ann.get("/api/everything", params=params)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["items"]]

    assert loop_of.run(found()) == wanted


SAMPLES: list[dict[str, Any]] = [
    {"s": "a", "i": 1, "p": Decimal("1.0000"), "d": date(2024, 2, 29)},
    {"s": "A", "i": -7, "p": Decimal("-0.0001"), "t": datetime(2024, 1, 1, tzinfo=UTC)},
    {"s": "a ", "i": 2**63 - 1, "x": 0.1, "c": time(12, 30)},
    {"s": "ä%_", "i": -(2**63), "x": -2.5, "b": True, "e": "red"},
    {"s": "*?[x]\\", "i": 0, "b": False, "p": Decimal("99999999999.9999")},
    {"s": None, "i": None, "u": "01939f2c-7d1e-7c3a-9b3f-2f8d1c5e6a70"},
    {"s": "a\tb\n", "i": 10, "long": "a"},
]
CONDITIONS = [
    "s = 'a'",
    "s <> 'a'",
    "s < 'a '",
    "s >= 'a'",
    "s IN ('a', 'ä%_', NULL)",
    "s LIKE 'a%'",
    "s LIKE 'A_'",
    "s LIKE '%!%%' ESCAPE '!'",
    "s LIKE '%[x]%'",
    "s NOT LIKE '%*%'",
    "contains(s, '?[')",
    "starts_with(s, 'a')",
    "ends_with(s, ' ')",
    "ends_with(s, '\\')",
    "length(s) = 2",
    "s = long",
    "s || 'x' = 'ax'",
    "concat(s, long) = ''",
    "substr(s, 2) = ' '",
    "substr(s, 2, 1) = '%'",
    "replace(s, 'a', 'bb') = 'bb '",
    "i + 1 IS NULL",
    "i - 1 IS NULL",
    "i + j IS NULL",
    "i * 3 IS NULL",
    "i * -1 = 7",
    "i % 3 = 2",
    "i % -3 = -1",
    "i % 0 IS NULL",
    "i / 4 = -1.75",
    "-i > 5",
    "abs(i) = 7",
    "i > 9.5",
    "i > 9999999999999999999",
    "i < -9999999999999999999",
    "i = 1.0",
    "i BETWEEN -7 AND 1",
    "i NOT IN (1, 0, NULL)",
    "p = 1",
    "p > 0.99999",
    "p < -0.00001",
    "p <= 99999999999.99990",
    "p = 0.00005",
    "p <> 0.00005",
    "x = 0.1",
    "x > i",
    "-x > 0",
    "abs(x) = 2.5",
    "b",
    "NOT b",
    "b = FALSE",
    "b IS NULL OR b",
    "coalesce(b, TRUE)",
    "CASE WHEN i > 0 THEN b ELSE TRUE END",
    "CASE i WHEN 1 THEN 'one' WHEN 0 THEN 'none' END = 'one'",
    "nullif(i, 1) IS NULL",
    "d = '2024-02-29'",
    "d > DATE '2024-02-28'",
    "d > '2024-02-28 12:00'",
    "year(d) = 2024 AND month(d) = 2 AND day(d) = 29",
    "year(t) = 2024",
    "t >= '2024-01-01'",
    "t < TIMESTAMP '2024-01-01 00:00:00.000001'",
    "c > '12:29:59.999999'",
    "e = 'red'",
    "e IN ('red', 'blue')",
    "e <> 'dark-green'",
    "u = '01939f2c-7d1e-7c3a-9b3f-2f8d1c5e6a70'",
    "u LIKE '01939f2c-%'",
    "tags IS NULL",
    "NULL",
    "TRUE",
    "FALSE OR NULL",
    "i = NULL",
]


def test_known_conditions_find_the_same_everywhere(loop_of: Looping) -> None:
    served = loop_of.served
    named = [{"id": str(n), **row} for n, row in enumerate(SAMPLES)]
    blank = dict.fromkeys(TYPES)

    async def check() -> None:
        async with served.state.database.writing() as session:
            await session.execute(delete(everything.table))
        for row in named:
            values = {k: _sent(v) for k, v in row.items()}
            answer = await served.ann.post("/api/everything", json=values)
            assert answer.status_code == 201, answer.text
        for text in CONDITIONS:
            evaluate = to_function(parse_condition(text, TYPES))
            wanted = [row["id"] for row in named if evaluate(blank | row)]
            answer = await served.ann.get(
                "/api/everything", params={"where": text, "sort": "id"}
            )
            assert answer.status_code == 200, (text, answer.text)
            found = [row["id"] for row in answer.json()["items"]]
            assert found == wanted, text

    loop_of.run(check())


def _sent(value: Any) -> Any:
    if isinstance(value, Decimal | date | time) and not isinstance(value, datetime):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
