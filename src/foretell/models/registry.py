"""Finds flavours and engines by name.

The built-in ones are named here as dotted strings and imported only when asked for:
they load whole data libraries. A package adds its own under the entry points
`foretell.flavours` and `foretell.engines`; an extension adds flavours, whose places
the children that open models find in a variable.
"""

import os
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, cast

from foretell.models.ports import Engine, Flavour

_FLAVOURS = {
    "lightgbm": "foretell.plugins.flavours.boosters:LightgbmFlavour",
    "onnx": "foretell.plugins.flavours.onnx:OnnxFlavour",
    # Before sklearn, which takes whatever begins like a pickle.
    "torch": "foretell.plugins.flavours.torch:TorchFlavour",
    "keras": "foretell.plugins.flavours.keras:KerasFlavour",
    "sklearn": "foretell.plugins.flavours.sklearn:SklearnFlavour",
    "xgboost": "foretell.plugins.flavours.boosters:XgboostFlavour",
}
_ENGINES = {
    "linear": "foretell.plugins.engines.linear:LinearEngine",
    "onnxruntime": "foretell.plugins.engines.onnxruntime:OnnxRuntimeEngine",
}


_FLAVOURS_VARIABLE = "_FORETELL_FLAVOURS"


def flavour_variables(places: Mapping[str, str]) -> dict[str, str]:
    """What the environment of a child has to hold for it to know these flavours.

    Args:
        places: `package.module:name` by the name of the flavour.
    """
    pairs = [f"{name}={place}" for name, place in places.items()]
    return {_FLAVOURS_VARIABLE: ",".join(pairs)} if pairs else {}


def flavour_names() -> list[str]:
    """Names of the flavours that are installed, the built-in ones first."""
    return list(_all_flavours())


def engine_names() -> list[str]:
    """Names of the engines, in the order in which their twins are tried."""
    return list(_all("foretell.engines", _ENGINES))


def flavour(name: str) -> Flavour:
    """Load a flavour. Raises KeyError for a name that is not installed."""
    found = _all_flavours()[name]
    return cast(Flavour, pkgutil.resolve_name(found)())


def engine(name: str) -> Engine:
    """Load an engine. Raises KeyError for a name that is not installed."""
    found = _all("foretell.engines", _ENGINES)[name]
    return cast(Engine, pkgutil.resolve_name(found)())


def _all_flavours() -> dict[str, Any]:
    pairs = os.environ.get(_FLAVOURS_VARIABLE, "").split(",")
    of_extensions = dict(pair.split("=", 1) for pair in pairs if pair)
    return _all("foretell.flavours", _FLAVOURS) | of_extensions


def _all(group: str, built_in: dict[str, str]) -> dict[str, Any]:
    added = {entry.name: entry.value for entry in entry_points(group=group)}
    return {**built_in, **added}
