"""Versions of the libraries that models are made with and loaded by."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

# One import name, several distributions.
_DISTRIBUTIONS = {"xgboost": ("xgboost", "xgboost-cpu")}


def installed(name: str) -> str | None:
    """The version of a library on this server, None without it."""
    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None


def differences(then: Mapping[str, str]) -> str:
    """A sentence that names each library that is another now; empty if none is."""
    changed = [
        f"{name} {before} ({installed(name) or 'none'} now)"
        for name, before in then.items()
        if installed(name) != before
    ]
    return f"It was uploaded with {', '.join(changed)}." if changed else ""


def mismatch(name: str, saved: str | None) -> str | None:
    """A sentence if a file was saved with another release than the one here."""
    here = installed(name)
    if saved is None or here is None or _release(saved) == _release(here):
        return None
    return (
        f"Saved with {name} {saved}, loaded with {here}: answers may differ from "
        "those it was tested with. Train and save it again to be sure."
    )


def _release(text: str) -> list[str]:
    return text.split(".")[:2]
