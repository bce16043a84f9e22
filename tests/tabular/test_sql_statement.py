"""What of SQL may run: a list of what may, and hundreds of statements that may not."""

import duckdb
import pytest

from foretell.tabular.errors import SqlInvalid, SqlRefused, SqlTableUnknown
from foretell.tabular.sql_reader import distinct_names
from foretell.tabular.sql_statement import tables_of
from tests.hostile_sql import REFUSED

KNOWN = ("people", "my-data", "sales@3")
GOOD = [
    "SELECT * FROM people",
    "select A, lower(b) from PEOPLE where a > 1 and b like 'x%' order by 1 limit 3;",
    "SELECT a, count(*) FILTER (WHERE b IS NULL) FROM people GROUP BY ALL HAVING sum(a) > 1",
    "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS 2 PRECEDING) FROM people",
    'SELECT p.*, d."x y" FROM people p LEFT JOIN "my-data" d USING (a)',
    'SELECT * FROM "sales@3"',
    "WITH x AS (SELECT * FROM people), y AS (SELECT * FROM x) SELECT * FROM y, X",
    "WITH people AS (SELECT 1 AS a) SELECT * FROM people",
    "SELECT a FROM people UNION ALL SELECT 2 EXCEPT SELECT 3",
    "SELECT * FROM people WHERE a IN (SELECT max(a) FROM people) OR EXISTS (SELECT 1)",
    "SELECT unnest([1, 2]), [x + 1 FOR x IN [1]], {'a': 1}.a, a::DECIMAL(10, 2) FROM people",
    "SELECT * FROM range(3) r, generate_series(1, 2) s, unnest(['a']) u",
    "SELECT lpad(a::VARCHAR, 5, '0'), CASE WHEN a BETWEEN 1 AND 2 THEN 'x' END FROM people",
    "SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) FROM people QUALIFY row_number() OVER () = 1",
    "FROM people SELECT count(*), date_trunc('month', d), extract(year FROM d)",
    "SELECT * FROM people PIVOT (sum(a) FOR b IN ('x', 'y'))",
    "SELECT * FROM people USING SAMPLE 10% -- a comment; with a semicolon",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT DISTINCT ON (a) * FROM people ORDER BY a DESC NULLS LAST",
    "SELECT a, grouping(a) FROM people GROUP BY ROLLUP (a)",
]


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect(":memory:", config={"max_expression_depth": 250}) as engine:
        yield engine


@pytest.mark.parametrize("sql", GOOD)
def test_what_people_ask_is_let_through(engine, sql):
    assert tables_of(engine, sql, KNOWN) <= set(KNOWN)


def test_the_tables_that_are_read_are_named(engine):
    found = tables_of(engine, 'SELECT * FROM People JOIN "my-data" ON true', KNOWN)
    assert found == {"people", "my-data"}
    assert tables_of(engine, "WITH people AS (SELECT 1) FROM people", KNOWN) == set()


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_not_listed_is_refused(engine, sql):
    with pytest.raises((SqlRefused, SqlInvalid, SqlTableUnknown)):
        tables_of(engine, sql, KNOWN)


def test_there_are_two_hundred_of_them_and_each_once():
    assert len(set(REFUSED)) == len(REFUSED) >= 200


@pytest.mark.parametrize(
    "sql", ["", ";", "-- nothing", "selec 1", "SELECT (", "SELECT ''' "]
)
def test_what_is_no_statement_is_refused(engine, sql):
    with pytest.raises((SqlRefused, SqlInvalid)):
        tables_of(engine, sql, KNOWN)


def test_names_that_differ_by_case_alone_are_numbered():
    assert distinct_names(["a", "A", "b", "a_2", "A_2"]) == [
        "a",
        "A_3",
        "b",
        "a_2",
        "A_2_2",
    ]
    assert distinct_names(["a", "b"]) == ["a", "b"]
