"""The reference names every setting, scope, problem, command and route."""

import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import foretell
from foretell.app import create_app
from foretell.cli.main import app as command_line
from foretell.core.principal import ROLE_SCOPES, Role, Scope
from foretell.errors import ForetellError
from foretell.settings import PREFIX, Settings
from tests.docs.pages import headings, read

# Modules with side effects or libraries of an extra are not needed for this.
_SKIPPED = ("foretell.migrations", "foretell.plugins", "foretell.__main__")


def modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(foretell.__path__, "foretell."):
        if not module.name.startswith(_SKIPPED):
            yield module.name


def error_classes() -> list[type[ForetellError]]:
    """Every error of the package, found by importing the modules that define one."""
    for name in modules():
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        with open(spec.origin, encoding="utf-8") as source:
            if re.search(r"^    slug\b.* = \"", source.read(), re.MULTILINE):
                importlib.import_module(name)
    found, waiting = [], [ForetellError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__.startswith("foretell."):
            found.append(kind)
            waiting += kind.__subclasses__()
    return found


def rows_of(text: str) -> dict[str, str]:
    """Lines of the page's tables by the code word in their first cell."""
    return {m[1]: m[0] for m in re.finditer(r"^\| `([^`]+)` \|.*$", text, re.MULTILINE)}


def test_every_setting_is_documented_with_its_default() -> None:
    rows = rows_of(read("reference/settings.md"))
    wanted = {PREFIX + name.upper() for name in Settings.model_fields}
    assert wanted <= set(rows)
    assert (
        not {name for name in rows if name.startswith(PREFIX)}
        - wanted
        - {
            "FORETELL_URL",
            "FORETELL_API_KEY",
        }
    )
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, (str, int)) and not isinstance(default, bool):
            assert f"`{default}`" in rows[PREFIX + name.upper()], name


def test_every_scope_is_documented_with_the_roles_that_have_it() -> None:
    rows = rows_of(read("reference/scopes.md"))
    assert set(rows) == {str(scope) for scope in Scope}
    for scope in Scope:
        for role in Role:
            has_it = scope in ROLE_SCOPES[role]
            assert (str(role) in rows[scope].split("|")[3]) is has_it, scope


def test_every_problem_is_documented_with_its_status() -> None:
    text = read("reference/problems.md")
    slugs: dict[str, int] = {}
    for kind in error_classes():
        slugs.setdefault(kind.slug, kind.status)
    missing = sorted(set(slugs) - set(headings(text, 3)))
    assert not missing
    for slug, status in slugs.items():
        entry = text.split(f"### {slug}\n", 1)[1].split("\n### ", 1)[0]
        assert re.search(rf"\b{status}\b", entry.splitlines()[1]), (slug, status)
        assert "**What to do:**" in entry, slug


def test_problems_stand_in_order_and_once() -> None:
    slugs = headings(read("reference/problems.md"), 3)
    assert slugs == sorted(set(slugs))


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of the command line by its words, groups left out."""
    waiting: list[tuple[str, Any]] = [("", get_command(command_line))]
    while waiting:
        name, command = waiting.pop(0)
        if hasattr(command, "commands"):
            waiting += [(f"{name} {n}".strip(), c) for n, c in command.commands.items()]
        else:
            yield name, command


def test_every_command_and_option_is_documented() -> None:
    text = read("reference/commands.md")
    sections = dict(re.findall(r"^## (foretell .+)\n((?:(?!^## ).*\n)*)", text, re.M))
    assert set(sections) == {f"foretell {name}" for name, _ in commands()}
    for name, command in commands():
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                for option in (*parameter.opts, *parameter.secondary_opts):
                    assert f"`{option}`" in sections[f"foretell {name}"], (name, option)


@pytest.fixture
async def operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """Every operation of the application by method and path."""
    monkeypatch.setenv("FORETELL_DATA_DIR", str(tmp_path))
    app = create_app(with_worker=False)
    async with app.router.lifespan_context(app):
        return {
            f"{method.upper()} {path}": operation
            for path, methods in app.openapi()["paths"].items()
            for method, operation in methods.items()
        }


def test_every_route_is_documented_with_its_scopes(
    operations: dict[str, dict[str, Any]],
) -> None:
    rows = rows_of(read("reference/http.md"))
    pages = {"GET /openapi.json", "GET /docs", "GET /"}
    assert {name for name in rows if " " in name} == pages | set(operations)
    for name, operation in operations.items():
        security = operation.get("security") or [{}]
        for scope in security[0].get("oauth2", ()):
            assert f"`{scope}`" in rows[name].split("|")[2], name
