"""Columns of a table become fields with names that fields can have."""

from pathlib import Path, PurePosixPath

import pytest

from foretell.builder.dataset_code import (
    columns_of_file,
    dataset_columns,
    dataset_name,
    loader_files,
)
from foretell.builder.errors import ColumnsUnfit
from foretell.builder.names import resource_name
from foretell.builder.resource_code import ResourcePlan
from tests.builder.test_projects import assert_clean


def names(*columns: str) -> list[str]:
    made = dataset_columns(
        "sales", [{"name": c, "type": "text", "nullable": False} for c in columns]
    )
    return [field.name for field in made.fields.values()]


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("Order Date", "order_date"),
        ("orderDate", "order_date"),
        ("Größe (cm)", "grosse_cm"),
        ("id", "id_value"),
        ("class", "class_value"),
        ("2026", "column_2026"),
        ("订单", "column_1"),
        ("x" * 80, "x" * 52),
        ("__", "column_1"),
    ],
)
def test_a_column_is_renamed_as_little_as_it_takes(column: str, field: str) -> None:
    assert names(column) == [field]


def test_columns_that_come_to_one_name_are_told_apart() -> None:
    assert names("a b", "a-b", "A B") == ["a_b", "a_b_2", "a_b_3"]


def test_types_become_fields_and_what_has_none_is_left_out() -> None:
    kinds = ["boolean", "integer", "decimal", "float", "text", "date", "timestamp"]
    columns = [
        {"name": kind, "type": kind, "nullable": n % 2 == 0}
        for n, kind in enumerate([*kinds, "list", "struct", "binary", "time"])
    ]
    made = dataset_columns("sales", columns)
    assert [f.kind for f in made.fields.values()] == [
        *("bool", "int", "decimal", "float", "text", "date", "datetime")
    ]
    assert made.left_out == ("list", "struct", "binary", "time")
    assert made.fields["boolean"].is_nullable
    assert not made.fields["integer"].is_nullable
    plan = ResourcePlan(resource_name("sale"), tuple(made.fields.values()), True)
    files = loader_files("shop", plan, made)
    assert_clean(files)
    assert "owner_id=job" in files[PurePosixPath("shop/tasks/load_sales.py")]


def test_a_table_without_such_a_column_is_refused() -> None:
    with pytest.raises(ColumnsUnfit):
        dataset_columns("x", [{"name": "a", "type": "list", "nullable": True}])


def test_the_columns_of_a_file_are_those_of_an_import(tmp_path: Path) -> None:
    file = tmp_path / "Sales 2026.csv"
    file.write_text("day;amount;name\n2026-01-02;1.5;Ann\n2026-01-03;;Bob\n")
    assert columns_of_file(file) == [
        {"name": "day", "type": "date", "nullable": False},
        {"name": "amount", "type": "float", "nullable": True},
        {"name": "name", "type": "text", "nullable": False},
    ]
    assert dataset_name(file) == "sales-2026"
    file.write_bytes(b"")
    with pytest.raises(ColumnsUnfit, match="Sales 2026"):
        columns_of_file(file)
