"""Own routes answer, refuse and are documented like built-in ones."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, UploadFile, WebSocket
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from foretell import (
    CurrentUser,
    Extension,
    body_limit,
    create_app,
    public,
    requires,
)
from foretell.errors import Conflict
from foretell.extension.errors import ExtensionInvalid, PathTaken
from foretell.http.problems import Problem

shop = Extension("shop")
REFUND = shop.scope("orders:refund", role="admin", description="Give money back.")


class Order(BaseModel):
    article: str
    count: int = 1


@shop.router.get("/open", dependencies=[public])
def is_open() -> dict[str, bool]:
    """Plain functions run in a thread."""
    return {"open": True}


@shop.router.get("/whoami")
async def whoami(user: CurrentUser) -> dict[str, str]:
    return {"email": user.email}


@shop.router.post("/refunds", status_code=201, dependencies=[requires("orders:refund")])
async def refund(order: Order) -> Order:
    if order.article == "gone":
        raise Conflict("That order was refunded before.", article=order.article)
    return order


@shop.router.post("/files", dependencies=[body_limit(2_000)])
async def take_file(file: UploadFile) -> dict[str, int]:
    return {"bytes": len(await file.read())}


class Shouting(APIRoute):
    """A route class of the team's own."""

    def get_route_handler(self):
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await answer(request)
            response.headers["X-Shop"] = "loud"
            return response

        return handle


own = APIRouter(route_class=Shouting, prefix="/stock", dependencies=[requires(REFUND)])
inner = APIRouter()


@own.get("/{article}")
async def stock(article: str) -> dict[str, str]:
    return {"article": article}


@inner.get("/count", dependencies=[requires("datasets:read")])
def count() -> int:
    return 3


own.include_router(inner, prefix="/inner")
shop.include_router(own)


@pytest.fixture
def extensions():
    return [shop]


async def test_a_route_that_declares_nothing_needs_a_signed_in_caller(
    anonymous, client
):
    refused = await anonymous.get("/api/ext/shop/whoami")
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    answer = await client.get("/api/ext/shop/whoami")
    assert answer.json() == {"email": "admin@example.org"}


async def test_public_routes_and_plain_functions_answer(anonymous):
    assert (await anonymous.get("/api/ext/shop/open")).json() == {"open": True}


async def test_caller_and_scope_are_checked_before_the_body(anonymous, sign_in, client):
    url, broken = "/api/ext/shop/refunds", {"content": b"{" * 3_000_000}
    editor = await sign_in("editor")
    assert (await anonymous.post(url, **broken)).status_code == 401
    refused = await editor.post(url, **broken)
    assert refused.status_code == 403
    assert "orders:refund" in refused.json()["detail"]
    assert (await client.post(url, **broken)).status_code == 413
    wrong = await client.post(url, json={"count": "many"})
    assert wrong.status_code == 422
    pointers = {error["pointer"] for error in wrong.json()["errors"]}
    assert pointers == {"/article", "/count"}
    taken = await client.post(url, json={"article": "gone"})
    assert (taken.status_code, taken.json()["article"]) == (409, "gone")
    assert (await client.post(url, json={"article": "pen"})).status_code == 201


async def test_a_body_limit_is_kept(client):
    url = "/api/ext/shop/files"
    small = await client.post(url, files={"file": ("a", b"x" * 100)})
    assert small.json() == {"bytes": 100}
    large = await client.post(url, files={"file": ("a", b"x" * 3_000)})
    assert large.status_code == 413


async def test_an_own_router_keeps_its_class_and_its_scopes_add_up(client, sign_in):
    answer = await client.get("/api/ext/shop/stock/pen")
    assert answer.json() == {"article": "pen"}
    assert answer.headers["x-shop"] == "loud"
    assert (await client.get("/api/ext/shop/stock/inner/count")).json() == 3
    narrow = await sign_in("admin", email="n@x.org", scopes=["datasets:read"])
    refused = await narrow.get("/api/ext/shop/stock/inner/count")
    assert "orders:refund" in refused.json()["detail"]


async def test_own_routes_are_in_the_document_with_security_and_problems(anonymous):
    document = (await anonymous.get("/openapi.json")).json()
    refund = document["paths"]["/api/ext/shop/refunds"]["post"]
    assert refund["security"][0] == {"oauth2": ["orders:refund"]}
    assert refund["tags"] == ["shop"]
    assert "application/problem+json" in refund["responses"]["403"]["content"]
    assert document["paths"]["/api/ext/shop/open"]["get"]["security"] == []
    scopes = document["components"]["securitySchemes"]["oauth2"]["flows"]["password"]
    assert scopes["scopes"]["orders:refund"] == "Give money back."
    inner = document["paths"]["/api/ext/shop/stock/inner/count"]["get"]
    assert inner["security"][0] == {"oauth2": ["orders:refund", "datasets:read"]}


async def test_roles_keys_and_me_know_the_scopes_of_extensions(client, sign_in):
    assert REFUND in (await client.get("/api/me")).json()["scopes"]
    viewer = await sign_in("viewer")
    assert REFUND not in (await viewer.get("/api/me")).json()["scopes"]
    made = await client.post("/api/keys", json={"name": "r", "scopes": [REFUND]})
    assert made.status_code == 201
    key = await sign_in.nobody(Authorization=f"Bearer {made.json()['key']}")
    order = {"article": "pen"}
    assert (await key.post("/api/ext/shop/refunds", json=order)).status_code == 201
    assert (await key.get("/api/datasets")).status_code == 403
    too_wide = await viewer.post("/api/keys", json={"name": "r", "scopes": [REFUND]})
    assert too_wide.status_code == 403
    unknown = {"name": "r", "scopes": ["orders:steal"]}
    assert (await client.post("/api/keys", json=unknown)).status_code == 422
    new = {"email": "e@x.org", "password": "correct horse", "name": "E"}
    editor = await client.post("/api/users", json=new | {"role": "editor"})
    assert editor.status_code == 201


def shouted(request: Request, problem: Problem) -> Response:
    return PlainTextResponse(f"NO: {problem.slug}", problem.status)


async def test_a_dialect_counts_under_its_prefix_alone(settings, app, client, sign_in):
    conduit = Extension(
        "conduit",
        prefix="/conduit/api",
        token_scheme="Token",
        problem_renderer=shouted,
    )

    @conduit.router.get("/user")
    async def user(user: CurrentUser) -> str:
        return user.email

    other = create_app(settings, extensions=[conduit, shop], with_worker=False)
    await sign_in._stack.enter_async_context(other.router.lifespan_context(other))
    token = client.headers["Authorization"].removeprefix("Bearer ")
    people = type(sign_in)(other, sign_in._stack)
    mine = await people.nobody(Authorization=f"Token {token}")
    theirs = await people.nobody(Authorization=f"Bearer {token}")
    assert (await mine.get("/conduit/api/user")).json() == "admin@example.org"
    assert (await theirs.get("/conduit/api/user")).status_code == 200
    assert (await mine.get("/api/ext/shop/whoami")).status_code == 401
    for path, slug in (("user", "unauthenticated"), ("nothing", "not-found")):
        refused = await (await people.nobody()).get(f"/conduit/api/{path}")
        assert refused.text == f"NO: {slug}"
    document = (await mine.get("/openapi.json")).json()
    operation = document["paths"]["/conduit/api/user"]["get"]
    assert {"token": []} in operation["security"]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "token"
    assert "401" not in operation["responses"]


def refused(settings, *extensions: Extension) -> str:
    with pytest.raises((PathTaken, ExtensionInvalid)) as caught:
        create_app(settings, extensions=extensions)
    return caught.value.detail


def with_route(name: str, path: str, prefix: str | None = None, **options) -> Extension:
    made = Extension(name, prefix=prefix)
    made.router.get(path, **options)(lambda: None)
    return made


def test_paths_of_foretell_and_of_other_extensions_are_refused(settings):
    taken = refused(settings, with_route("a", "/models/{x}", "/api"))
    assert all(word in taken for word in ("'a'", "Foretell", "/api/models"))
    assert "Foretell" in refused(settings, with_route("a", "/{anything}", "/api"))
    assert "Foretell" in refused(settings, with_route("a", "/v2/models", ""))
    assert "Foretell" in refused(settings, with_route("a", "/recipes/x", "/api"))
    two = refused(
        settings,
        with_route("a", "/things/{id}", "/api"),
        with_route("b", "/things/all", "/api"),
    )
    assert all(word in two for word in ("'a'", "'b'"))
    both = with_route("a", "/x", "/api"), with_route("b", "/y", "/api")
    create_app(settings, extensions=both)


def test_a_dialect_needs_a_prefix_of_its_own(settings):
    greedy = Extension("greedy", prefix="/api", token_scheme="Token")
    assert "Foretell" in refused(settings, greedy)


def test_what_cannot_be_checked_is_refused(settings):
    chat = Extension("chat")

    @chat.router.websocket("/room")
    async def room(socket: WebSocket) -> None: ...

    assert "/room" in refused(settings, chat)
    undecided = with_route("u", "/x", dependencies=[public, requires("models:read")])
    assert "decide" in refused(settings, undecided)
    misspelt = with_route("m", "/x", dependencies=[requires("orders:refnd")])
    assert "orders:refnd" in refused(settings, misspelt)
    assert "prefix" in refused(settings, Extension("p", prefix="shop/"))


@pytest.mark.parametrize("name", ["Shop", "foretell", "", "a b", "base", "x" * 64])
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(ExtensionInvalid, match="cannot name an extension"):
        Extension(name)


def test_two_extensions_of_one_name_are_refused(settings):
    assert "a-b" in refused(settings, Extension("a-b"), Extension("a_b"))


async def test_lifespans_run_around_the_serving_in_order(settings):
    events: list[str] = []
    made = [Extension("one"), Extension("two")]
    for extension in made:

        @extension.lifespan
        async def life(parts, name=extension.name):
            events.append(f"{name} up {parts.settings.env}")
            yield
            events.append(f"{name} down")

    app: FastAPI = create_app(settings, extensions=made, with_worker=False)
    async with app.router.lifespan_context(app):
        assert events == ["one up development", "two up development"]
    assert events[2:] == ["two down", "one down"]


async def test_a_dependency_of_the_teams_own_is_asked_once_and_after_the_check(
    settings, app, sign_in
):
    calls: list[str] = []

    def basket(user: CurrentUser) -> str:
        calls.append(user.email)
        return f"basket of {user.email}"

    extra = Extension("extra")

    @extra.router.get("/basket")
    def show(found: Annotated[str, Depends(basket)]) -> str:
        return found

    other = create_app(settings, extensions=[extra, shop], with_worker=False)
    await sign_in._stack.enter_async_context(other.router.lifespan_context(other))
    people = type(sign_in)(other, sign_in._stack)
    assert (await (await people.nobody()).get("/api/ext/extra/basket")).is_client_error
    assert calls == []
