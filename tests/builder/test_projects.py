"""Every combination of flags gives a project whose files pass the checks of style."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

import black
import pytest
from black.mode import TargetVersion

from foretell.builder.fields import parse_fields
from foretell.builder.names import project_name, resource_name
from foretell.builder.project_code import Project, project_files
from foretell.builder.rendering import Files
from foretell.builder.resource_code import ResourcePlan, resource_files
from foretell.builder.specification import Spec
from foretell.builder.writing import write
from foretell.settings import Settings
from tests.builder.projects import COMBINATIONS, project, specified

_MODE = black.Mode(target_versions={TargetVersion.PY311})


def assert_clean(files: Files) -> None:
    """Python parses and is as Black has it; TOML parses."""
    for path, text in files.items():
        if path.suffix == ".py":
            ast.parse(text)
            assert _as_black_has_it(text) == text, path
        if path.suffix == ".toml":
            tomllib.loads(text)
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path


_BLACKENED: dict[str, str] = {}


def _as_black_has_it(text: str) -> str:
    if text not in _BLACKENED:
        _BLACKENED[text] = black.format_str(text, mode=_MODE)
    return _BLACKENED[text]


@pytest.mark.parametrize(("style", "db", "jobs", "host"), COMBINATIONS)
def test_a_combination_of_flags_gives_clean_files(
    style: str, db: str, jobs: str, host: str
) -> None:
    made = project_files(project(style, db, jobs, host))
    assert made == project_files(project(style, db, jobs, host))
    assert_clean(made)
    settings = tomllib.loads(made[PurePosixPath("foretell.toml")])
    assert set(settings) <= set(Settings.model_fields)
    assert settings["app"] == f"shop.{'app' if host == 'fastapi' else 'asgi'}:app"
    # What a laptop reads never asks for what only production has.
    assert "executor" not in settings
    assert (PurePosixPath("compose.yaml") in made) is (
        (db, jobs) != ("sqlite", "embedded")
    )


@pytest.mark.parametrize("length", [1, 30, 60])
def test_names_of_any_length_and_any_number_of_fields_are_clean(length: int) -> None:
    made = project_files(Project(project_name("s" * length)))
    assert_clean(made)
    for count in (1, 40):
        kinds = (
            "str!",
            "text?",
            "int^",
            "decimal",
            "json",
            "uuid",
            "ref:other",
            "date?",
        )
        written = [
            f"{'f' * min(length, 56)}{n}:{kinds[n % len(kinds)]}" for n in range(count)
        ]
        plan = ResourcePlan(resource_name("r" * length), tuple(parse_fields(written)))
        assert_clean(resource_files("s" * length, plan))


def test_a_spec_becomes_the_whole_project() -> None:
    made = project_files(specified())
    assert_clean(made)
    assert {str(path) for path in made} >= {
        "shop/resources/customer.py",
        "shop/resources/order.py",
        "shop/tasks/send_welcome.py",
        "shop/tasks/tidy_up.py",
        "shop/provision.py",
        "tests/test_order.py",
    }
    assert 'signup = "open"' in made[PurePosixPath("foretell.toml")]
    assert "owned=True" in made[PurePosixPath("shop/resources/order.py")]
    assert '"task": "shop.tidy_up"' in made[PurePosixPath("shop/provision.py")]


def test_an_empty_spec_is_a_project_too() -> None:
    assert_clean(project_files(Project(project_name("shop"), "api", Spec(), True)))


def test_ruff_has_nothing_to_say(tmp_path: Path) -> None:
    kinds = {f"{s}-{d}-{j}-{h}": project(s, d, j, h) for s, d, j, h in COMBINATIONS}
    for name, kind in {**kinds, "spec": specified()}.items():
        write(tmp_path / name, project_files(kind))
        done = subprocess.run(
            [Path(sys.executable).with_name("ruff"), "check", "--no-cache", "."],
            cwd=tmp_path / name,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (name, done.stdout)


def test_the_five_patterns_are_those_of_the_example() -> None:
    made = project_files(Project(project_name("five_patterns"), "five_patterns"))
    assert_clean(made)
    example = Path(__file__).parents[2] / "examples/five_patterns/extension.py"
    ours = made[PurePosixPath("five_patterns/extension.py")]
    theirs = re.sub(r"\bfive\b", "five_patterns", example.read_text("utf-8"))
    start = "five_patterns = Extension"
    own, example_code = (start + text.split(start)[1] for text in (ours, theirs))
    assert own == black.format_str(example_code, mode=_MODE)
