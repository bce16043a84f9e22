"""docs/reference/python.md has every public name, extension point and fixture."""

import foretell
import foretell.testing
from foretell import Extension
from foretell.testing import fixtures
from tests.docs.pages import read
from tests.docs.test_reference import rows_of

# Of an extension, for Foretell itself.
_INNER = {"label", "load"}


def documented() -> set[str]:
    return {name for cell in rows_of(read("reference/python.md")) for name in [cell]}


def test_every_public_name_is_documented():
    assert set(foretell.__all__) <= documented()


def test_every_extension_point_is_documented():
    points = {
        name
        for name, value in vars(Extension).items()
        if not name.startswith("_") and name not in _INNER and callable(value)
    }
    text = read("reference/python.md")
    assert "lifespan" in points
    assert not {name for name in points if f"`{name}`" not in text}


def test_every_fixture_is_documented_and_public():
    found = {
        name
        for name, value in vars(fixtures).items()
        if type(value).__name__ == "FixtureFunctionDefinition"
    }
    assert found >= {"app", "client"}
    assert found <= set(foretell.testing.__all__)
    assert found - {"foretell_blank"} <= documented()


def test_the_names_of_foretell_testing_are_these():
    assert foretell.testing.__all__ == [
        "Mail",
        "Outbox",
        "SignIn",
        "anonymous",
        "app",
        "client",
        "clock",
        "database_url",
        "extensions",
        "foretell_blank",
        "outbox",
        "override",
        "pytest_addoption",
        "run_jobs",
        "settings",
        "sign_in",
    ]
