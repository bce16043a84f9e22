"""Boosters inside pickles: their buffers are checked before a library reads them.

A pickled XGBClassifier or LGBMClassifier holds what the library itself would write to
a file. The unpickler is given a class whose `__setstate__` reads that first, and
hands on only what was checked.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from foretell.models.errors import ModelUnreadable, ModelUnusable
from foretell.models.libraries import mismatch
from foretell.plugins.engines.boosters import library, xgboost_booster
from foretell.plugins.estimators.boosted import BadBooster, Boosted, UnservedBooster
from foretell.plugins.estimators.lightgbm_files import read_lightgbm
from foretell.plugins.estimators.trees import all_parts
from foretell.plugins.estimators.xgboost_files import read_xgboost


def checked_class(found: Any) -> Any:
    """The class to unpickle a booster as; any other class is given back."""
    place = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if place == "xgboost.core.Booster":
        return _checked_xgboost(found)
    if place == "lightgbm.basic.Booster":
        return _checked_lightgbm(found)
    return found


@cache
def _checked_xgboost(found: type) -> type:
    module = library("xgboost")

    class CheckedBooster(found):  # type: ignore[misc]
        """A booster that came out of a pickle."""

        def __setstate__(self, state: dict[str, Any]) -> None:
            buffer = state.pop("handle", None)
            if not isinstance(buffer, bytes | bytearray):
                raise ModelUnusable("The XGBoost model was saved before it was fitted.")
            checked = _read(read_xgboost, bytes(buffer), is_wrapped=True)
            fresh = xgboost_booster(module, checked.data)
            if checked.names is not None:
                fresh.feature_names = checked.names
            if checked.rounds is not None:
                fresh.set_attr(best_iteration=str(checked.rounds - 1))
            self.__dict__.update(state)
            self.handle, fresh.handle = fresh.handle, None
            self.checked = checked

    return CheckedBooster


@cache
def _checked_lightgbm(found: type) -> type:
    class CheckedBooster(found):  # type: ignore[misc]
        """A booster that came out of a pickle."""

        def __setstate__(self, state: dict[str, Any]) -> None:
            text = state.pop("_handle", None) or state.pop("handle", None)
            if not isinstance(text, str):
                raise ModelUnusable(
                    "The LightGBM model was saved before it was fitted."
                )
            checked = _read(read_lightgbm, text.encode())
            super().__setstate__({**state, "_handle": checked.data.decode()})
            self.checked = checked

    return CheckedBooster


def _read(read: Any, data: bytes, **options: Any) -> Boosted:
    try:
        boosted: Boosted = read(data, **options)
    except BadBooster as error:
        raise ModelUnreadable(f"The booster inside is damaged: {error}") from error
    except UnservedBooster as error:
        raise ModelUnusable(str(error)) from error
    return boosted


def checked_boosters(model: Any) -> Iterator[tuple[Any, Boosted]]:
    """Each wrapper of a booster inside a model, with what its booster says."""
    for part in all_parts(model):
        booster = vars(part).get("_Booster") if hasattr(part, "__dict__") else None
        checked = getattr(booster, "checked", None)
        if checked is not None:
            yield part, checked


def saved_versions(model: Any) -> tuple[dict[str, str], list[str]]:
    """Versions that the boosters inside were saved with, and what that means."""
    saved: dict[str, str] = {
        checked.library: checked.saved
        for _, checked in checked_boosters(model)
        if checked.saved is not None
    }
    notes = [mismatch(name, one) for name, one in saved.items()]
    return saved, [note for note in notes if note is not None]
