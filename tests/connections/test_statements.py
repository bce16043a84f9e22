"""Queries that are one SELECT pass, and nothing else does."""

import pytest

from foretell.connections.errors import QueryNotReadOnly
from foretell.connections.statements import demand_read_only

READS = [
    "select 1",
    "  SELECT a, \"update\" FROM t WHERE b = 'drop; table' ;  ",
    "WITH x AS (SELECT 1) SELECT * FROM x -- the end",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT replace(a, 'x', 'y') FROM t /* a comment */",
    "SELECT '{\"a\": 1}'::jsonb ->> 'a'",
    "VALUES (1), (2)",
]
CHANGES = [
    "",
    ";",
    "DELETE FROM t",
    "select 1; select 2",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
    "SELECT * INTO other FROM t",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT * FROM t FOR UPDATE",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT PG_TERMINATE_BACKEND(1)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM dblink('host=x', 'select 1') AS t(a int)",
    "SELECT set_config('x', 'y', false)",
    "SELECT load_file('/etc/passwd')",
    "SELECT load_extension('x')",
    "SELECT 1 /*! INTO OUTFILE 'x' */",
    "SELECT 1 /*M! INTO OUTFILE 'x' */",
    "SELECT '\\' ; drop table x; --'",
    "SELECT $$ ' $$, pg_read_file('x') , ' '",
    "SELECT 1 --1 INTO OUTFILE 'x'",
    "SELECT 'open",
    "SELECT 1 /* open",
    "EXPLAIN ANALYZE DELETE FROM t",
    "ATTACH 'x' AS y",
    "PRAGMA writable_schema = 1",
    "COPY t TO '/tmp/x'",
    "CALL p()",
    "SELECT \x00",
    "SELECT " + "1," * 20_000 + "1",
]


@pytest.mark.parametrize("query", READS)
def test_a_select_passes(query):
    assert not demand_read_only(query, "postgresql").rstrip().endswith(";")


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "sqlite"])
@pytest.mark.parametrize("query", CHANGES)
def test_what_is_more_is_refused(query, kind):
    with pytest.raises(QueryNotReadOnly):
        demand_read_only(query, kind)


def test_a_comment_of_mysql_hides_nothing():
    with pytest.raises(QueryNotReadOnly):
        demand_read_only("SELECT 1 # '\n INTO OUTFILE 'x'", "mysql")
