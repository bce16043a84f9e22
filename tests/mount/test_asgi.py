"""Foretell below a path of FastAPI, Starlette and Django applications."""

from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from foretell.extension.discovery import extensions_of, state_in
from foretell.mount import mount_in_django, mount_in_fastapi, mount_in_starlette
from foretell.testing.people import SignIn
from tests.mount.conftest import client_of


async def hello(request):
    return PlainTextResponse("the host")


def site(**options) -> Starlette:
    return Starlette(routes=[Route("/hello", hello)], **options)


@pytest.mark.parametrize("kind", [FastAPI, Starlette])
async def test_a_mount_by_hand_says_what_to_do(foretell, opened, kind):
    host = kind()
    host.mount("/ft", foretell)
    client = await opened(host)
    for path in ("/ft/healthz", "/ft/api/me", "/ft/api/models/m/predict", "/ft/nope"):
        answer = await client.get(path)
        assert answer.status_code == 503
        problem = answer.json()
        assert problem["type"].endswith("/not-started")
        assert "foretell.mount.mount_in_starlette(host, app, path)" in problem["detail"]
        assert problem["instance"] == path
    infer = await client.post("/ft/v2/models/m/infer", json={})
    assert infer.status_code == 503
    assert "mount_in_starlette" in infer.json()["error"]


async def test_after_its_end_it_says_so_again(foretell):
    host = Starlette()
    mount_in_starlette(host, foretell)
    async with client_of(host) as client:
        async with host.router.lifespan_context(host):
            assert (await client.get("/ft/healthz")).status_code == 200
        assert (await client.get("/ft/healthz")).status_code == 503


@pytest.mark.parametrize(
    ("kind", "mount"), [(FastAPI, mount_in_fastapi), (Starlette, mount_in_starlette)]
)
async def test_both_answer_and_the_hosts_own_lifespan_runs_inside(
    foretell, kind, mount
):
    events = []

    @asynccontextmanager
    async def lifespan(app):
        events.append(f"host up, foretell {foretell.is_started}")
        yield {"of_the_host": 1}
        events.append(f"host down, foretell {foretell.is_started}")

    host = kind(lifespan=lifespan)
    host.router.routes.append(Route("/{path:path}", hello))
    mount(host, foretell, "/tools/ft/")
    async with (
        host.router.lifespan_context(host) as state,
        client_of(host) as client,
    ):
        assert state == {"of_the_host": 1}
        assert (await client.get("/hello")).text == "the host"
        assert (await client.get("/tools/ft/healthz")).status_code == 200
        slash = await client.get("/tools/ft")
        assert slash.status_code == 307
        assert slash.headers["location"] == "/tools/ft/"
        assert "Foretell" in (await client.get("/tools/ft/")).text
    assert events == ["host up, foretell True", "host down, foretell True"]
    assert foretell.is_started is False


async def test_links_and_documents_are_below_the_prefix(foretell, opened):
    host = site()
    mount_in_starlette(host, foretell)
    client = await opened(host)
    document = (await client.get("/ft/openapi.json")).json()
    assert document["servers"] == [{"url": "/ft"}]
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["password"]
    assert flow["tokenUrl"] == "token"
    problem = (await client.get("/ft/api/me")).json()
    assert problem["instance"] == "/ft/api/me"
    async with client_of(foretell) as direct:
        assert "servers" not in (await direct.get("/openapi.json")).json()


async def admin_of(host, foretell, stack):
    admin = await SignIn(foretell, stack)("admin")
    return client_of(host, Authorization=admin.headers["authorization"])


async def test_locations_and_pages_are_below_the_prefix(foretell, opened):
    from contextlib import AsyncExitStack

    host = site()
    mount_in_starlette(host, foretell)
    await opened(host)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await admin_of(host, foretell, stack))
        for n in range(2):
            task = {"task": "system.echo", "args": {"value": n}}
            job = await client.post("/ft/api/jobs", json=task)
            assert job.status_code == 202
            assert job.headers["location"].startswith("/ft/api/jobs/")
            found = await client.get(job.headers["location"])
            assert found.status_code == 200
        page = await client.get("/ft/api/jobs?limit=1")
        link = page.headers["link"]
        assert "/ft/api/jobs?" in link
        address = link.partition("<")[2].partition(">")[0]
        assert len((await client.get(address)).json()["items"]) == 1


class Watching:
    """Keeps what the application has written into the scope of a request."""

    def __init__(self, app):
        self.app = app
        self.scope = {}

    async def __call__(self, scope, receive, send):
        self.scope = scope
        await self.app(scope, receive, send)


async def test_the_fast_path_answers_below_the_prefix(foretell, opened):
    host = site()
    mount_in_starlette(host, foretell)
    await opened(host)
    watching = Watching(host)
    async with client_of(watching) as client:
        answer = await client.post("/ft/api/models/m/predict", json={"rows": []})
        assert answer.status_code == 401
        assert answer.json()["instance"] == "/ft/api/models/m/predict"
        assert watching.scope["fast_route"] == "/api/models/{model}/predict"
        await client.get("/ft/api/models/m")
        assert "fast_route" not in watching.scope


async def test_a_host_without_a_lifespan_gets_one(foretell, opened):
    """As Django's, which raises when it hears of one."""

    async def django(scope, receive, send):
        if scope["type"] != "http":
            raise ValueError("Django can only handle ASGI/HTTP connections")
        assert scope["path"] == "/page"
        await PlainTextResponse("Django")(scope, receive, send)

    both = mount_in_django(django, foretell, users=None)
    client = await opened(both)
    assert (await client.get("/page")).text == "Django"
    assert (await client.get("/ft/healthz")).status_code == 200


async def test_serve_finds_what_is_mounted(foretell):
    host = FastAPI()
    mount_in_fastapi(host, foretell)
    outer = Starlette(routes=[Mount("/all", host)])
    assert state_in(outer) is foretell.state
    assert extensions_of(outer) == ()
    assert state_in(Starlette(routes=[Route("/", hello)])) is None


@pytest.mark.parametrize("path", ["", "/", "ft", "/{name}", "/a//b"])
async def test_a_path_that_is_none_is_refused(foretell, path):
    with pytest.raises(ValueError, match="no path to mount at"):
        mount_in_starlette(Starlette(), foretell, path)
