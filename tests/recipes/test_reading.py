"""Recipes as they are written: what is wrong is named by a pointer."""

from pathlib import Path

import pytest

from foretell.core.columns import ColumnType
from foretell.recipes.errors import RecipeInvalid
from foretell.recipes.planning import Columns, Surroundings
from foretell.recipes.recipe import CHECKS_BY_NAME, STEPS, read_recipe
from foretell.recipes.reference import reference_page

COLUMNS = {
    "id": ColumnType.INTEGER,
    "name": ColumnType.TEXT,
    "email": ColumnType.TEXT,
    "day": ColumnType.DATE,
}
OTHER = {"id": ColumnType.INTEGER, "city": ColumnType.TEXT}


def test_the_steps_and_checks_of_the_contract_are_there():
    assert set(STEPS) == {
        *("rename", "select", "cast", "trim", "case", "replace", "extract", "split"),
        *("parse_date", "fill", "drop_null", "dedupe", "filter", "derive", "bin"),
        *("one_hot", "join", "aggregate", "window", "sort", "sample", "union"),
    }
    assert set(CHECKS_BY_NAME) == {
        *("not_null", "unique", "range", "in_set", "matches", "expression"),
        "references",
    }


WRITTEN = [
    ({"step": "trimm"}, "/step"),
    ({}, "/step"),
    ([], "/step"),
    ({"step": "trim"}, "/columns"),
    ({"step": "trim", "columns": []}, "/columns"),
    ({"step": "trim", "columns": [1]}, "/columns/0"),
    ({"step": "trim", "columns": ["a", "a"]}, "/columns"),
    ({"step": "trim", "columns": ["a\x00"]}, "/columns/0"),
    ({"step": "trim", "columns": ["a"], "x": 1}, "/x"),
    ({"step": "filter", "where": "a = "}, "/where"),
    ({"step": "join", "dataset": "A b", "on": ["x"]}, "/dataset"),
    ({"step": "cast", "columns": {"a": "number"}}, "/columns/a"),
    ({"step": "aggregate", "measures": ["men(x)"]}, "/measures/0"),
    ({"step": "aggregate", "measures": {"m": "mean"}}, "/measures/m"),
    ({"step": "bin", "column": "x", "edges": [2, 1]}, ""),
    ({"step": "fill", "columns": ["x"]}, ""),
    ({"step": "sample"}, ""),
    (
        {
            "step": "parse_date",
            "columns": ["x"],
            "formats": ["%Y"],
            "type": "timestamp",
            "timezone": "Europe/Zürich",
        },
        "/timezone",
    ),
]


@pytest.mark.parametrize(("step", "pointer"), WRITTEN)
def test_a_step_that_is_written_wrong(step, pointer):
    good = {"step": "trim", "columns": ["a"]}
    with pytest.raises(RecipeInvalid) as caught:
        read_recipe([good, step], [], {})
    assert [e.pointer for e in caught.value.errors] == [f"/steps/1{pointer}"]


@pytest.mark.parametrize(
    ("check", "pointer"),
    [
        ({"check": "range", "column": "x"}, ""),
        ({"check": "uniqe", "column": "x"}, "/check"),
        ({"check": "unique", "column": "x", "severity": "no"}, "/severity"),
        ({"check": "expression", "expression": "1 +"}, "/expression"),
        ({"check": "not_null"}, ""),
    ],
)
def test_a_check_that_is_written_wrong(check, pointer):
    with pytest.raises(RecipeInvalid) as caught:
        read_recipe([], [check], {})
    assert [e.pointer for e in caught.value.errors] == [f"/checks/0{pointer}"]


def test_everything_that_is_wrong_is_named_at_once():
    steps = [{"step": "trim"}, {"step": "filter", "where": "("}, {"step": "x"}]
    with pytest.raises(RecipeInvalid) as caught:
        read_recipe(steps, [{"check": "y"}], {})
    assert len(caught.value.errors) == 4


PLANNED = [
    ({"step": "trim", "columns": ["emial"]}, "/columns/0", "'email'"),
    ({"step": "trim", "columns": ["id"]}, "/columns/0", "type text"),
    ({"step": "filter", "where": "emial = 'x'"}, "/where", "'email'"),
    ({"step": "filter", "where": "id"}, "/where", "condition"),
    ({"step": "derive", "column": "z", "expression": "lowr(name)"}, "/expression", ""),
    ({"step": "cast", "columns": {"day": "integer"}}, "/columns/day", "cannot become"),
    ({"step": "rename", "columns": {"id": "name"}}, "/columns", "Two columns"),
    ({"step": "select", "drop": list(COLUMNS)}, "", "No column"),
    ({"step": "fill", "columns": ["id"], "value": "x"}, "/columns/0", "does not fit"),
    ({"step": "one_hot", "column": "id", "values": ["a"]}, "/values/0", "integer"),
    ({"step": "sort", "by": ["-nmae"]}, "/by/0", "'name'"),
    ({"step": "aggregate", "by": ["id"], "measures": ["sum(name)"]}, "/measures/0", ""),
    (
        {"step": "window", "function": "lag", "column": "x", "into": "l"},
        "/column",
        "no column",
    ),
    ({"step": "join", "dataset": "o", "on": ["nmae"]}, "/on/nmae", "'name'"),
    ({"step": "join", "dataset": "o", "on": {"name": "id"}}, "/on/name", "is integer"),
]


@pytest.mark.parametrize(("step", "pointer", "words"), PLANNED)
def test_a_step_that_does_not_fit_the_columns(step, pointer, words):
    here = "/steps/1"
    around = Surroundings(tables={here: Columns(OTHER)})
    recipe = read_recipe([{"step": "trim", "columns": ["name"]}, step], [], {})
    with pytest.raises(RecipeInvalid) as caught:
        recipe.plan(Columns(COLUMNS, around))
    assert caught.value.errors[0].pointer == here + pointer
    assert words in caught.value.errors[0].message


@pytest.mark.parametrize(
    ("check", "pointer"),
    [
        ({"check": "range", "column": "name", "min": 3}, "/min"),
        ({"check": "range", "column": "day", "max": "soon"}, "/max"),
        ({"check": "in_set", "column": "id", "values": [1, "b"]}, "/values/1"),
        ({"check": "matches", "column": "id", "pattern": "x"}, "/column"),
        ({"check": "unique", "columns": ["id", "x"]}, "/columns/1"),
    ],
)
def test_a_check_that_does_not_fit_the_columns(check, pointer):
    recipe = read_recipe([], [check], {})
    with pytest.raises(RecipeInvalid) as caught:
        recipe.plan(Columns(COLUMNS))
    assert caught.value.errors[0].pointer == f"/checks/0{pointer}"


def test_columns_after_steps_are_known_without_any_row():
    steps = [
        {"step": "derive", "column": "n", "expression": "length(name)"},
        {"step": "cast", "columns": {"id": "text"}},
        {"step": "aggregate", "by": ["id"], "measures": {"m": "mean(n)"}},
    ]
    found = read_recipe(steps, [], {}).plan(Columns(COLUMNS))
    assert dict(found or {}) == {"id": ColumnType.TEXT, "m": ColumnType.FLOAT}


def test_the_reference_page_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "reference" / "recipes.md"
    assert page.read_text(encoding="utf-8") == reference_page()
