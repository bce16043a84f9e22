"""A small application of the http area alone: a database, two callers, a few routes."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from foretell.core.clock import FakeClock
from foretell.core.db import Base, Database
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Role, Scope, scopes_of
from foretell.errors import Conflict, Unauthenticated
from foretell.http import health, pages
from foretell.http.dependencies import CurrentUser, Session
from foretell.http.edge import Edge
from foretell.http.metrics import Metrics
from foretell.http.problems import install_handlers
from foretell.http.routing import body_limit, public, requires, router
from foretell.http.schemas import Body, Name
from foretell.http.state import AppState
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.settings import Settings

CALLERS = {
    b"Bearer admin": Principal(
        "1", "a@x.org", Role.ADMIN, scopes_of(Role.ADMIN), "key"
    ),
    b"Bearer viewer": Principal(
        "2", "v@x.org", Role.VIEWER, scopes_of(Role.VIEWER), "key"
    ),
}


class TwoCallers:
    """An authenticator that knows two fixed credentials."""

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
        if sent not in CALLERS:
            raise Unauthenticated(
                "The credential does not count.", error="invalid_token"
            )
        return CALLERS[sent]


class Thing(Body):
    name: Name
    size: int = 0


routes = router("/api/things")
made: list[str] = []


@routes.post("", status_code=201, dependencies=[requires(Scope.DATASETS_WRITE)])
async def make_thing(
    body: Thing, response: Response, user: CurrentUser, session: Session
) -> Thing:
    if body.name == "taken":
        raise Conflict("That name is taken.", name=body.name)
    made.append(body.name)
    response.headers["Location"] = f"/api/things/{body.name}"
    return body


@routes.get("/{name}", dependencies=[requires(Scope.DATASETS_READ)])
async def read_thing(name: str) -> Thing:
    return Thing(name=name)


@routes.get("/fault/now", dependencies=[public])
async def fault() -> Thing:
    raise RuntimeError("postgresql://user:hunter2@db/x at /srv/secret/path")


@routes.post("/raw/body", dependencies=[requires(), body_limit(10)])
async def raw_body(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Edge]:
    made.clear()
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.database_address)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app = Edge(title="test", docs_url=None, redoc_url=None, openapi_url=None)
    metrics = Metrics()
    app.open_edge(
        hosts=frozenset({"testserver"}),
        cors_origins=["https://front.example"],
        metrics=metrics,
    )
    app.state.metrics = metrics
    app.state.openapi_contributors = []
    app.state.foretell = AppState(
        settings=settings,
        database=database,
        clock=FakeClock(),
        cursors=Cursors(b"k" * 32),
        blobs=FileBlobStore(tmp_path),
        authenticator=TwoCallers(),
    )
    install_handlers(app)
    for area in (routes, health.routes, pages.routes):
        app.include_router(area)
    yield app
    await database.close()


@pytest.fixture
async def client(app: Edge) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://testserver"
    ) as client:
        yield client
