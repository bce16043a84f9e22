"""Python steps of extensions: pandas and polars functions, by name and options."""

import pandas as pd
import polars as pl
import pytest

from foretell import Extension
from foretell.recipes.engine.python_steps import to_pandas
from foretell.recipes.errors import RecipeStepFailed
from foretell.recipes.recipe import read_recipe
from foretell.testing.conformance import check_step
from tests.recipes.running import run

shop = Extension("shop")


@shop.step
def top(table: pd.DataFrame, column: str, count: int = 2) -> pd.DataFrame:
    return table.nlargest(count, column)


@shop.step
def totals(table: pd.DataFrame) -> pd.DataFrame:
    made = table.assign(name=table["name"].str.strip().str.title())
    found: pd.DataFrame = made.groupby("name", as_index=False).agg({"price": "sum"})
    return found


@shop.step
def doubled(table: pl.LazyFrame, column: str) -> pl.LazyFrame:
    return table.with_columns(pl.col(column) * 2)


@shop.step
def small(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(pl.col("id").cast(pl.Int8), pl.col("name").cast(pl.Categorical))


@shop.step
def broken(table: pl.DataFrame) -> pl.DataFrame:
    raise ValueError("no luck")


@shop.step
def liar(table: pl.DataFrame) -> pl.DataFrame:
    return 5  # type: ignore[return-value]


PLACES = {name: step.place for name, step in shop.steps.items()}
FRAME = pl.DataFrame(
    {
        "id": [1, 2**53 + 1, None],
        "name": [" ann", "BOB ", "Ann"],
        "price": [1.5, 2.0, 3.25],
        "day": [None, "2024-02-29", "2024-03-31"],
    }
).with_columns(pl.col("day").str.to_date())


def made(folder, step, frame=FRAME, **options):
    body = {"step": f"shop.{step}", **options}
    return run(folder, frame, [body], python_steps=PLACES).frame


def test_a_pandas_function_is_what_it_is_by_hand(tmp_path):
    by_hand = totals(FRAME.to_pandas())
    pd.testing.assert_frame_equal(made(tmp_path, "totals").to_pandas(), by_hand)


def test_large_integers_and_days_survive_pandas(tmp_path):
    found = made(tmp_path, "top", column="price", count=3)
    assert found.schema == FRAME.schema
    assert found["id"].to_list() == [None, 2**53 + 1, 1]
    assert str(to_pandas(FRAME)["id"].dtype) == "Int64"


@pytest.mark.slow
def test_a_pandas_function_on_a_million_rows_equals_the_hand_run_code(tmp_path):
    count = 1_000_000
    frame = pl.DataFrame(
        {
            "name": [" ann", "BOB ", "Zoë", ""] * (count // 4),
            "price": [float(n % 977) / 7 for n in range(count)],
        }
    )
    by_hand = totals(frame.to_pandas())
    pd.testing.assert_frame_equal(made(tmp_path, "totals", frame).to_pandas(), by_hand)


def test_a_polars_function_gets_the_table_it_asks_for(tmp_path):
    assert made(tmp_path, "doubled", column="price")["price"].to_list() == [3, 4, 6.5]
    found = made(tmp_path, "small", FRAME.filter(pl.col("id") == 1))
    assert found.schema == {"id": pl.Int64, "name": pl.String}


@pytest.mark.parametrize(
    ("step", "words"), [("broken", "ValueError: no luck"), ("liar", "gave a int")]
)
def test_a_step_that_fails_is_named(tmp_path, step, words):
    with pytest.raises(RecipeStepFailed, match=words) as caught:
        made(tmp_path, step)
    assert caught.value.errors[0].pointer == "/steps/0"


def test_the_options_are_checked_when_the_recipe_is_read():
    recipe = read_recipe([{"step": "shop.top", "column": "x"}], [], shop.steps)
    assert recipe.to_json()["steps"] == [{"step": "shop.top", "column": "x"}]


def test_steps_and_columns_go_on_after_a_python_step(tmp_path):
    steps = [
        {"step": "shop.totals"},
        {"step": "derive", "column": "half", "expression": "price / 2"},
    ]
    found = run(tmp_path, FRAME, steps, python_steps=PLACES).frame
    assert found.rows() == [("Ann", 4.75, 2.375), ("Bob", 2.0, 1.0)]


def test_it_passes_the_conformance_suite():
    step = shop.steps["shop.top"]
    check_step(step, FRAME, {"column": "price"}, {"column": 5, "count": "many"})
