"""What others may import, and what importing it loads."""

import subprocess
import sys

import pytest

import foretell

HEAVY = {
    "alembic",
    "duckdb",
    "fastapi",
    "numpy",
    "onnxruntime",
    "pandas",
    "polars",
    "pyarrow",
    "sklearn",
    "sqlalchemy",
    "starlette",
}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()} & HEAVY


def test_the_public_names_are_these():
    assert foretell.__all__ == [
        "CurrentUser",
        "Datasets",
        "Extension",
        "Identity",
        "JobContext",
        "JobRead",
        "Jobs",
        "Models",
        "Resource",
        "Session",
        "Settings",
        "TableFile",
        "Users",
        "answers_finished",
        "body_limit",
        "create_access_token",
        "create_app",
        "dataset_rows",
        "public",
        "requires",
        "takes_file",
    ]
    assert all(getattr(foretell, name) for name in foretell.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = foretell.no_such_name


@pytest.mark.parametrize(
    ("statement", "loads"),
    [
        ("import foretell", set()),
        ("import foretell.client", set()),
        ("import foretell.composition", {"sqlalchemy"}),
        ("from foretell import Extension", {"sqlalchemy"}),
        ("import foretell.app", {"sqlalchemy", "alembic", "fastapi", "starlette"}),
    ],
)
def test_importing_a_part_loads_only_what_it_needs(statement, loads):
    assert loaded_by(statement) <= loads
