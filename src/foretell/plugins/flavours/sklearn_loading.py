"""Turns the files of scikit-learn models into objects, once the gate lets them."""

import importlib
import inspect
import pickle
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import IO, Any

from foretell.errors import ForetellError
from foretell.models.errors import ModelRefused, ModelUnreadable
from foretell.models.gate.allow import canonical
from foretell.models.gate.scan import Scanned, scan
from foretell.models.gate.skops import scan_skops
from foretell.models.gate.verdict import Verdict
from foretell.models.ports import Terms
from foretell.plugins.engines.boosters import library
from foretell.plugins.estimators.retired import retired
from foretell.plugins.flavours.sklearn_boosters import checked_class

Loaded = tuple[Verdict, Any, list[str]]


def load_pickle(path: Path, terms: Terms) -> Loaded:
    """Load a pickle or joblib file, with the names the gate has seen and no others.

    Returns:
        What the gate says, the object, and what the libraries warned about.

    Raises:
        ModelRefused, ModelUnreadable
    """
    scanned = scan(path, allow=terms.allow, scratch=terms.scratch)
    with scanned.stream:
        is_trusted = _admit(scanned.verdict, terms)
        unpickler = _unpickler(scanned, anything=is_trusted)
        model, notes = _loaded(unpickler.load)
    return scanned.verdict, model, notes


def load_skops(path: Path, terms: Terms) -> Loaded:
    """Load a skops file, with the types the gate has seen and no others.

    Raises:
        ModelRefused, ModelUnreadable
        ModelUnusable: skops is not installed.
    """
    scanned = scan_skops(path, allow=terms.allow)
    _admit(scanned.verdict, terms)
    library("skops")
    skops = importlib.import_module("skops.io")
    model, notes = _loaded(lambda: skops.load(path, trusted=scanned.types))
    return scanned.verdict, model, notes


def _admit(verdict: Verdict, terms: Terms) -> bool:
    """Refuse what must not be loaded; True where somebody vouches for the rest."""
    is_trusted = terms.trust and verdict.outcome == "unknown"
    if not verdict.is_admitted and not is_trusted:
        raise ModelRefused(verdict)
    return is_trusted


class _AdmittedNames:
    """`find_class` that gives only what the gate has seen and admitted."""

    def __init__(self, scanned: Scanned, *, anything: bool) -> None:
        self._names = frozenset(scanned.verdict.globals)
        self._by_admission = scanned.by_admission
        self._anything = anything

    def find(self, module: str, name: str, find: Callable[[str, str], Any]) -> Any:
        """The object behind a name, found by the unpickler's own `find_class`."""
        if not self._is_known(module, name):
            raise pickle.UnpicklingError(f"{module}.{name} was not admitted")
        gone = retired(".".join(canonical(module, name)))
        if gone is not None:
            return gone
        found = find(*canonical(module, name))
        if self._anything or (module, name) not in self._by_admission:
            return checked_class(found)
        # A listed package may have imported something dangerous from elsewhere.
        home = getattr(found, "__module__", "") or ""
        if not inspect.isclass(found) or home.split(".")[0] != module.split(".")[0]:
            raise pickle.UnpicklingError(
                f"{module}.{name} is not a class of its package"
            )
        return found

    def _is_known(self, module: str, name: str) -> bool:
        # Pickles of Python 2's protocols call the standard library by its old names.
        later = NAME_MAPPING.get((module, name))
        later = later or (IMPORT_MAPPING.get(module, module), name)
        names = ((module, name), canonical(module, name), later)
        return any(".".join(one) in self._names for one in names)


def _unpickler(scanned: Scanned, *, anything: bool) -> Any:
    """Reads the stream the gate has read, with the gate's names only."""
    from joblib.numpy_pickle import NumpyUnpickler

    names = _AdmittedNames(scanned, anything=anything)

    class Plain(pickle.Unpickler):
        def find_class(self, module: str, name: str, /) -> Any:
            return names.find(module, name, super().find_class)

    class Joblib(NumpyUnpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            return names.find(module, name, super().find_class)

    if scanned.verdict.format == "joblib":
        return Joblib("", scanned.stream, ensure_native_byte_order=True)
    stream: IO[bytes] = scanned.stream
    return Plain(stream)


def _loaded(load: Callable[[], Any]) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(StringIO()):
        warnings.simplefilter("always")
        try:
            model = load()
        except (MemoryError, ForetellError):
            raise
        except Exception as error:  # a damaged state may make any class fail
            raise ModelUnreadable(
                f"The model cannot be loaded here: {type(error).__name__}: {error}"
            ) from error
    return model, list(dict.fromkeys(_sentence(one.message) for one in caught))


def _sentence(message: Warning | str) -> str:
    saved = getattr(message, "original_sklearn_version", None)
    if saved is not None:
        installed = getattr(message, "current_sklearn_version", "another version")
        return (
            f"Saved with scikit-learn {saved}, loaded with {installed}: answers may "
            "differ from those it was tested with. Train and save it again to be sure."
        )
    return f"{type(message).__name__}: {message}"[:500]
