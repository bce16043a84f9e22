"""An application that serves the test resources, and its callers."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from foretell.app import create_app
from foretell.core.clock import FakeClock
from foretell.core.principal import Principal, Role, scopes_of
from foretell.errors import Unauthenticated
from foretell.http.edge import Edge
from foretell.http.state import AppState
from foretell.jobs.doorbell import Doorbell
from foretell.resources.description import ResourceDescription
from foretell.resources.fast.composing import fast_path
from foretell.resources.routes import resource_router
from foretell.settings import Settings
from tests.resources.doors import BothDoors
from tests.resources.models import DESCRIPTIONS


def principal(name: str, role: Role, *, without: str = "") -> Principal:
    """A caller with the scopes that resources give their role."""
    verbs = ["read"] if role is Role.VIEWER else ["read", "write"]
    own = {f"{d.plural}:{verb}" for d in DESCRIPTIONS for verb in verbs}
    scopes = (scopes_of(role) | own) - {without}
    return Principal(name, f"{name}@x.org", role, frozenset(scopes), "key")


CALLERS = {
    "admin": principal("admin", Role.ADMIN),
    "ann": principal("ann", Role.EDITOR),
    "ben": principal("ben", Role.EDITOR),
    "viewer": principal("viewer", Role.VIEWER),
    "stranger": principal("stranger", Role.EDITOR, without="orders:read"),
}


class KnownCallers:
    """An authenticator of fixed credentials, one for each caller."""

    async def authenticate(
        self,
        headers: Mapping[bytes, bytes],
        *,
        is_safe_method: bool,
        address: str = "",
    ) -> Principal | None:
        return self.authenticate_cached(headers)

    def authenticate_cached(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        sent = headers.get(b"authorization")
        if sent is None:
            return None
        name = sent.decode().removeprefix("Bearer ")
        if name not in CALLERS:
            raise Unauthenticated("Unknown.", error="invalid_token")
        return CALLERS[name]


@dataclass(slots=True)
class Served:
    """A running application and a client of each caller."""

    app: Edge
    state: AppState
    clock: FakeClock
    ann: httpx2.AsyncClient
    ben: httpx2.AsyncClient
    admin: httpx2.AsyncClient
    viewer: httpx2.AsyncClient
    stranger: httpx2.AsyncClient
    nobody: httpx2.AsyncClient


@asynccontextmanager
async def served(
    folder: Path,
    url: str,
    descriptions: Sequence[ResourceDescription] = DESCRIPTIONS,
    prepare: Callable[[Edge], None] = lambda _app: None,
    *,
    is_fast: bool = False,
) -> AsyncIterator[Served]:
    """Serve `descriptions` on the database at `url`, on empty tables.

    Args:
        is_fast: Put the fast path in front; then each GET goes to both doors, and
            their answers must be the same.
    """
    settings = Settings(data_dir=folder, database_url=url)
    app = create_app(settings, with_worker=False)
    state: AppState = app.state.foretell
    state.authenticator = KnownCallers()
    state.clock = clock = FakeClock()
    for description in descriptions:
        app.include_router(resource_router(description))
    prepare(app)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        stack.callback(state.port(Doorbell).close)
        async with state.database.engine.begin() as connection:
            for description in descriptions:
                await connection.run_sync(description.table.create)
        transport: httpx2.AsyncBaseTransport = httpx2.ASGITransport(app=app)
        if is_fast:
            await stack.enter_async_context(fast_path(app, state, descriptions))
            transport = BothDoors(app)
        clients: dict[str, Any] = {}
        for name in (*CALLERS, "nobody"):
            client = _client(transport, name if name in CALLERS else None)
            clients[name] = await stack.enter_async_context(client)
        yield Served(app, state, clock, **clients)


def _client(
    transport: httpx2.AsyncBaseTransport, name: str | None
) -> httpx2.AsyncClient:
    headers = {"Accept-Encoding": "identity"}
    if name is not None:
        headers["Authorization"] = f"Bearer {name}"
    return httpx2.AsyncClient(
        transport=transport,
        base_url="http://testserver",
        headers=headers,
    )
