"""The reference names every setting, scope, problem, command and route."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import foretell
from foretell.core.principal import ROLE_SCOPES, Role, Scope
from foretell.errors import ForetellError
from foretell.http.problems import status_of
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
        slugs.setdefault(kind.slug, status_of(kind))
    missing = sorted(set(slugs) - set(headings(text, 3)))
    assert not missing
    for slug, status in slugs.items():
        entry = text.split(f"### {slug}\n", 1)[1].split("\n### ", 1)[0]
        assert re.search(rf"\b{status}\b", entry.splitlines()[1]), (slug, status)
        assert "**What to do:**" in entry, slug


def test_problems_stand_in_order_and_once() -> None:
    slugs = headings(read("reference/problems.md"), 3)
    assert slugs == sorted(set(slugs))


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_the_routes_that_need_no_credential_are_named(path: str) -> None:
    assert f"`GET {path}`" in read("reference/http.md")
