"""The client of the commands that talk to a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foretell.client.synchronous import Client


@contextmanager
def connected() -> Iterator["Client"]:
    """A client of the server that the environment names."""
    from foretell.client.synchronous import Client

    with Client() as client:
        yield client
