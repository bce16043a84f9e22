"""Puts something else in the place of a dependency, in one line of a test."""

from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from fastapi import FastAPI, params


def override(app: FastAPI, name: Any, value: Any) -> None:
    """Give routes `value` wherever they ask for `name`.

    Args:
        name: A dependency of `foretell` such as `Jobs` or `CurrentUser`, one of your
            own (`Annotated[..., Depends(...)]`), a function used in `Depends`, or
            `requires`, which makes every route open to any caller.
    """
    app.dependency_overrides[_function_of(name)] = lambda: value


def _function_of(name: Any) -> Callable[..., Any]:
    if get_origin(name) is Annotated:
        for note in get_args(name)[1:]:
            if isinstance(note, params.Depends) and note.dependency is not None:
                return note.dependency
    if callable(name):
        found: Callable[..., Any] = name
        return found
    raise TypeError(f"{name!r} is no dependency")
