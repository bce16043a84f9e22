"""Finds the extensions of a process: given, installed, of an application, passed on.

`create_app(extensions=[...])` has them in hand. A worker is another process: it gets
the dotted places of the same objects in a variable, from whoever starts it, or finds
them as the command line does, by EXTENSIONS (installed packages) and APP.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from foretell.extension.active import Extensions
from foretell.extension.definition import Extension
from foretell.extension.errors import ExtensionInvalid
from foretell.settings import Settings, SettingsError

GROUP = "foretell.extensions"
# For the processes that we start; not settings.
PLACES_VARIABLE = "_FORETELL_EXTENSIONS"
PATH_VARIABLE = "_FORETELL_PATH"


def chosen(settings: Settings, given: Iterable[Extension] = ()) -> Extensions:
    """The given extensions, then the installed ones that EXTENSIONS names."""
    return Extensions([*given, *_installed(settings.extensions)])


def found(settings: Settings) -> Extensions:
    """The extensions of this process, when no code hands them over: those passed on
    by the process that started it, else the installed ones and those of APP."""
    places = os.environ.get(PLACES_VARIABLE)
    if places is not None:
        _extend_path()
        return Extensions(_at(place) for place in places.split(",") if place)
    own = extensions_of(import_application(settings.app)) if settings.app else ()
    return chosen(settings, own)


def passed_on(extensions: Extensions) -> dict[str, str]:
    """Variables that give another process these same extensions.

    Raises:
        ExtensionInvalid: One cannot be found by another process.
    """
    return {
        PLACES_VARIABLE: ",".join(place_of(item) for item in extensions),
        PATH_VARIABLE: os.pathsep.join(filter(None, sys.path)),
    }


def place_of(extension: Extension) -> str:
    """`package.module:name`, where another process finds the same extension."""
    for name in (extension.home, *sys.modules):
        module = sys.modules.get(name)
        for attribute, value in list(vars(module).items() if module else ()):
            if value is extension and (importable := _importable_name(name)):
                return f"{importable}:{attribute}"
    raise ExtensionInvalid(
        f"Worker processes cannot find the extension {extension.name!r} of "
        f"{extension.home}: assign it to a name at the top of a module that can be "
        f"imported, such as shop/extension.py, or serve with --no-worker."
    )


def import_application(name: str) -> Any:
    """What `module:name` stands for; modules of the current folder count.

    Raises:
        SettingsError: There is no such module or name.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module_name, _, attributes = name.partition(":")
    if not module_name or not attributes:
        raise SettingsError(f"FORETELL_APP: {name!r} is not of the form module:name")
    try:
        found_: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that is there and misses another one is that module's fault.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise SettingsError(f"FORETELL_APP: no module {module_name!r}") from error
    for attribute in attributes.split("."):
        if not hasattr(found_, attribute):
            raise SettingsError(
                f"FORETELL_APP: {module_name!r} has no attribute {attribute!r}"
            )
        found_ = getattr(found_, attribute)
    return found_


def extensions_of(application: Any) -> tuple[Extension, ...]:
    """The extensions of the Foretell application in `application`; none when there is
    no Foretell in it."""
    state = state_in(application)
    return () if state is None else tuple(state.foretell.port(Extensions))


def state_in(application: Any) -> Any:
    """The state of the Foretell application in `application`, which may be one, share
    its state, or have it mounted; `None` when there is no Foretell in it."""
    state = getattr(application, "state", None)
    if getattr(state, "foretell", None) is not None:
        return state
    for route in getattr(application, "routes", ()):
        inner = state_in(getattr(route, "app", None))
        if inner is not None:
            return inner
    return None


def _installed(names: Iterable[str]) -> Iterator[Extension]:
    points = {point.name: point for point in entry_points(group=GROUP)}
    for name in names:
        if name not in points:
            installed = ", ".join(sorted(points)) or "none"
            raise SettingsError(
                f"FORETELL_EXTENSIONS: no extension {name!r} is installed; "
                f"installed: {installed}"
            )
        yield _checked(points[name].load(), f"{GROUP}: {name}")


def _at(place: str) -> Extension:
    module, _, attribute = place.partition(":")
    return _checked(getattr(import_module(module), attribute), place)


def _checked(value: Any, place: str) -> Extension:
    if not isinstance(value, Extension):
        raise ExtensionInvalid(f"{place} is not an Extension.")
    return value


def _importable_name(module: str) -> str | None:
    """The name by which another process imports a module; `None` for a script."""
    if module != "__main__":
        return module
    spec = getattr(sys.modules[module], "__spec__", None)
    return spec.name if spec is not None else None


def _extend_path() -> None:
    for entry in os.environ.get(PATH_VARIABLE, "").split(os.pathsep):
        if entry and entry not in sys.path:
            sys.path.append(entry)
