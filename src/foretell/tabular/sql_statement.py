"""Decide whether a caller's SQL may run, by the tree that the engine itself parses.

A parser of our own could disagree with the engine's; `json_serialize_sql` cannot. It
gives a tree for SELECT statements alone. In it everything is closed that is not named
here: kinds of nodes, functions, tables. Runs in a sandboxed child.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import duckdb

from foretell.tabular.errors import SqlInvalid, SqlRefused, SqlTableUnknown
from foretell.tabular.sql_functions import (
    FUNCTIONS,
    MAX_PADDING,
    PADDING,
    TABLE_FUNCTIONS,
)

_MOST_DEPTH = 600
# Nodes of expressions, by `class`.
_EXPRESSIONS = frozenset(
    [
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "TYPE",
        "WINDOW",
    ]
)
# Everything else that has a `type`: queries, what stands in FROM, modifiers, orders.
_OTHERS = frozenset(
    [
        "SELECT_NODE",
        "SET_OPERATION_NODE",
        "BASE_TABLE",
        "SUBQUERY",
        "JOIN",
        "EMPTY",
        "EXPRESSION_LIST",
        "TABLE_FUNCTION",
        "PIVOT",
        "ORDER_MODIFIER",
        "LIMIT_MODIFIER",
        "LIMIT_PERCENT_MODIFIER",
        "DISTINCT_MODIFIER",
        "ORDER_DEFAULT",
        "ASCENDING",
        "DESCENDING",
    ]
)
_WORDS = {
    "PARAMETER": "A parameter",
    "RECURSIVE_CTE_NODE": "WITH RECURSIVE",
    "SHOW_REF": "SHOW, DESCRIBE or SUMMARIZE",
}


def tables_of(
    engine: duckdb.DuckDBPyConnection, sql: str, known: Iterable[str]
) -> set[str]:
    """Check a statement and return which of the known tables it reads.

    Args:
        engine: Parses it, and runs nothing of it.
        known: Names of tables, in lower case.

    Raises:
        SqlInvalid: It is no SQL.
        SqlRefused: It is no single SELECT, or uses what is closed.
        SqlTableUnknown: It names another table.
    """
    judge = _Judge(frozenset(known))
    try:
        judge.walk(_parsed(engine, sql), frozenset(), 0)
    except RecursionError as error:
        raise SqlRefused("The statement is nested too deeply.") from error
    return judge.used


def _parsed(engine: duckdb.DuckDBPyConnection, sql: str) -> Mapping[str, Any]:
    row = engine.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0]
    tree: dict[str, Any] = json.loads(row[0])
    if tree["error"]:
        message = str(tree.get("error_message", ""))
        if tree.get("error_type") == "not implemented":
            raise SqlRefused("Only a SELECT may be sent.")
        raise SqlInvalid(message)
    statements = tree["statements"]
    if len(statements) != 1:
        raise SqlRefused("Send one statement, and only one.")
    root: dict[str, Any] = statements[0]["node"]
    return root


class _Judge:
    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self.used: set[str] = set()

    def walk(self, node: Any, scope: frozenset[str], depth: int) -> None:
        """Check a node; `scope` has the names of the WITH clauses that it sees."""
        if depth > _MOST_DEPTH:
            raise SqlRefused("The statement is nested too deeply.")
        if isinstance(node, list):
            for item in node:
                self.walk(item, scope, depth + 1)
        if not isinstance(node, dict):
            return
        self._check(node, scope)
        scope = self._with(node, scope, depth)
        for value in self._inner(node):
            self.walk(value, scope, depth + 1)

    def _with(
        self, node: Mapping[str, Any], scope: frozenset[str], depth: int
    ) -> frozenset[str]:
        """The scope with the names of a WITH clause; each sees those before it."""
        for entry in (node.get("cte_map") or {}).get("map", ()):
            self.walk(entry["value"], scope, depth + 1)
            scope |= {str(entry["key"]).lower()}
        return scope

    def _inner(self, node: Mapping[str, Any]) -> Iterator[Any]:
        for name, value in node.items():
            if name == "function" and node.get("type") == "TABLE_FUNCTION":
                yield value["arguments"]  # a table function is no expression
            elif name != "cte_map":
                yield value

    def _check(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        kind = node.get("class", node.get("type"))
        if not isinstance(kind, str):
            return
        if kind not in (_EXPRESSIONS if "class" in node else _OTHERS):
            words = _WORDS.get(kind, kind.replace("_", " ").capitalize()[:60])
            raise SqlRefused(f"{words} may not be used.")
        names = ("schema", "catalog", "schema_name", "catalog_name", "at_clause")
        if any(node.get(name) for name in names):
            raise SqlRefused("Names of schemas and catalogues may not be used.")
        if kind in ("FUNCTION", "WINDOW"):
            _check_function(node, FUNCTIONS | PADDING)
        elif kind == "TABLE_FUNCTION":
            _check_function(node["function"], TABLE_FUNCTIONS)
        elif kind == "BASE_TABLE":
            self._check_table(str(node["table_name"]), scope)

    def _check_table(self, written: str, scope: frozenset[str]) -> None:
        name = written.lower()
        if name in scope:
            return
        if name not in self._known:
            raise SqlTableUnknown(written[:80])
        self.used.add(name)


def _check_function(node: Mapping[str, Any], allowed: frozenset[str]) -> None:
    name = str(node["function_name"]).lower()
    path = node.get("qualified_name", {}).get("path", [name])
    if name not in allowed or len(path) != 1 or node.get("schema"):
        raise SqlRefused(f"The function {name[:60]!r} may not be used.")
    if name in PADDING:
        _check_padding(name, node)


def _check_padding(name: str, node: Mapping[str, Any]) -> None:
    arguments = [entry.get("expression", {}) for entry in node.get("arguments", ())]
    length = arguments[1].get("literal", {}) if len(arguments) > 1 else {}
    text = str(length.get("text", ""))
    if length.get("kind") != "INTEGER" or not text.isdigit() or len(text) > 5:
        raise SqlRefused(f"{name} takes a plain number as its length.")
    if int(text) > MAX_PADDING:
        raise SqlRefused(f"{name} takes a length of at most {MAX_PADDING}.")
