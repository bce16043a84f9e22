"""Where a request comes from; the server has dealt with named proxies before."""

from starlette.types import Scope


def caller_address(scope: Scope) -> str:
    """The network address of the caller; empty where the server knows none."""
    client = scope.get("client")
    return str(client[0]) if client else ""
