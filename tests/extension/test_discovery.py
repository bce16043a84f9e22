"""Extensions are found: installed by name, of an application, passed to workers."""

import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from foretell import Extension, create_app
from foretell.extension.discovery import (
    PATH_VARIABLE,
    PLACES_VARIABLE,
    chosen,
    extensions_of,
    found,
    import_application,
    passed_on,
)
from foretell.extension.errors import ExtensionInvalid
from foretell.settings import SettingsError

here = Extension("here")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch) -> str:
    """A package with an entry point, as pip leaves it; gives its name."""
    info = tmp_path / "parlour-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: parlour\nVersion: 1.0\n")
    points = "[foretell.extensions]\nparlour = parlour:parlour\nodd = parlour:odd\n"
    (info / "entry_points.txt").write_text(points)
    source = "from foretell import Extension\nparlour = Extension('parlour')\nodd = 3\n"
    (tmp_path / "parlour.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "parlour", raising=False)
    return "parlour"


def names(extensions) -> list[str]:
    return [extension.name for extension in extensions]


def test_an_installed_one_is_switched_on_by_name(settings, installed):
    wanted = settings.model_copy(update={"extensions": [installed]})
    assert names(chosen(wanted, [here])) == ["here", "parlour"]
    assert names(found(wanted)) == ["parlour"]
    same = chosen(wanted, chosen(wanted))
    assert names(same) == ["parlour"]
    assert names(chosen(settings)) == []


def test_an_unknown_one_is_an_error_with_the_installed_ones(settings, installed):
    wanted = settings.model_copy(update={"extensions": ["parlor"]})
    with pytest.raises(SettingsError, match="installed: odd, parlour"):
        create_app(wanted)
    odd = settings.model_copy(update={"extensions": ["odd"]})
    with pytest.raises(ExtensionInvalid, match="not an Extension"):
        create_app(odd)


def test_what_is_passed_on_is_found_by_the_other_process(settings, monkeypatch):
    variables = passed_on(chosen(settings, [here]))
    assert variables[PLACES_VARIABLE] == f"{__name__}:here"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    other = settings.model_copy(update={"app": "not.asked:for"})
    assert list(found(other)) == [here]
    monkeypatch.setenv(PLACES_VARIABLE, "")
    monkeypatch.delenv(PATH_VARIABLE)
    assert names(found(other)) == []


def test_an_extension_without_a_place_cannot_be_passed_on(settings):
    with pytest.raises(ExtensionInvalid, match="top of a module"):
        passed_on(chosen(settings, [Extension("hidden")]))


def test_the_application_tells_its_extensions_wherever_it_is(settings):
    own = create_app(settings, extensions=[here])
    assert extensions_of(own) == (here,)
    host = FastAPI()
    host.mount("/foretell", own)
    assert extensions_of(host) == (here,)
    sharing = FastAPI()
    sharing.state = own.state
    assert extensions_of(sharing) == (here,)
    assert extensions_of(FastAPI()) == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nix", "not of the form"),
        ("nix.app:app", "no module 'nix.app'"),
        ("tests.served:nix", "no attribute 'nix'"),
    ],
)
def test_a_wrong_app_is_a_setting_error(name, words):
    with pytest.raises(SettingsError, match=words):
        import_application(name)


def test_modules_are_imported_when_the_extension_is_used(
    settings, tmp_path, monkeypatch
):
    package = tmp_path / "larder"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__", "jams", "deep/__init__", "deep/cheese"):
        (package / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    lazy = Extension("lazy", modules=["larder"])
    assert "larder" not in sys.modules
    create_app(settings, extensions=[lazy])
    assert {"larder.jams", "larder.deep.cheese"} <= set(sys.modules)
