"""Looks at an outside database for a request: does it answer, what has it?

The connection is read in a short transaction of its own; nothing of Foretell's own
database is held while the other one is waited for.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio

from foretell.connections.composing import connections_service
from foretell.connections.errors import ConnectionUnreachable, code_of
from foretell.connections.outside import Outside
from foretell.core.connectors import Connector, Target
from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.errors import ForetellError

T = TypeVar("T")
PROBE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a test."""

    ok: bool
    elapsed_ms: float
    code: str | None = None
    detail: str | None = None


class Probe:
    """Asks outside databases, for a few seconds at most."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def test(self, principal: Principal, name: str) -> Tried:
        """Whether the database answers and takes the credentials.

        Raises:
            ConnectionNotFound, Forbidden: The caller may not try it.
        """
        async with self._parts.database.reading() as session:
            service = connections_service(self._parts, session)
            opened = await service.open_for_test(principal, name)
        began = time.perf_counter()
        try:
            await self._ask(
                opened.kind,
                lambda: service.target(opened),
                lambda connector, target: connector.check(target),
            )
        except ForetellError as error:
            return Tried(False, _since(began), code_of(error), error.detail)
        return Tried(True, _since(began))

    async def tables(self, principal: Principal, name: str) -> list[str]:
        """What can be read of the database.

        Raises:
            ConnectionUnreachable, ConnectionRejected, AddressForbidden.
        """
        async with self._parts.database.reading() as session:
            service = connections_service(self._parts, session)
            opened = await service.open_for_test(principal, name)
        return await self._ask(
            opened.kind,
            lambda: service.target(opened),
            lambda connector, target: connector.tables(target),
        )

    async def _ask(
        self,
        kind: str,
        target: Callable[[], Awaitable[Target]],
        question: Callable[[Connector, Target], Awaitable[T]],
    ) -> T:
        connector = await self._parts.port(Outside).connector(kind)
        try:
            with anyio.fail_after(PROBE_SECONDS):
                return await question(connector, await target())
        except TimeoutError:
            raise ConnectionUnreachable("timeout") from None


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
