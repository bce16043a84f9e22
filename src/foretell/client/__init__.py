"""A typed Python client of the public HTTP API.

`Client` and `AsyncClient` have the same operations; see `foretell.client.operations`.
Their names load on demand, so that importing a part loads no other.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.client.asynchronous import AsyncClient as AsyncClient
    from foretell.client.synchronous import Client as Client

__all__ = ["AsyncClient", "Client"]

_HOMES = {
    "Client": "foretell.client.synchronous",
    "AsyncClient": "foretell.client.asynchronous",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
