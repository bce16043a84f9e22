"""What every request pays for its dependencies and for being found."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from foretell import create_app
from foretell.settings import Settings


def dependants(dependant: Dependant) -> Iterator[Dependant]:
    for inner in dependant.dependencies:
        yield inner
        yield from dependants(inner)


def test_no_dependency_runs_in_a_thread(tmp_path: Path) -> None:
    """FastAPI hands plain functions to a thread, which costs more than they do."""
    app = create_app(Settings(data_dir=tmp_path))
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    ours = [route for route in routes if isinstance(route, APIRoute)]
    assert len(ours) > 50
    plain = {
        getattr(call, "__qualname__", repr(call))
        for route in ours
        for call in (d.call for d in dependants(route.dependant))
        if not (
            inspect.iscoroutinefunction(call)
            or inspect.isasyncgenfunction(call)
            or inspect.iscoroutinefunction(type(call).__call__)
        )
    }
    assert plain == set()
