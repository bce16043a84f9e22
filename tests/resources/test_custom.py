"""What a user may put in: hooks, own schemas, a condition for each caller, audit."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from fastapi import HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from sqlalchemy import String, true
from sqlalchemy.orm import Mapped, mapped_column

from foretell.core.db import Base
from foretell.core.principal import Principal
from foretell.errors import Conflict
from foretell.http.edge import Edge
from foretell.jobs.registry import TaskRegistry
from foretell.resources.describing import describe
from foretell.resources.errors import ResourceDeclarationError
from foretell.resources.hooks import Change, ResourceHooks
from foretell.resources.model import Resource
from tests.resources.application import CALLERS, Served, served
from tests.resources.models import DESCRIPTIONS


class Ticket(Resource):
    title: Mapped[str] = mapped_column(String(50))
    slug: Mapped[str] = mapped_column(String(60), info={"read_only": True}, default="")
    team: Mapped[str] = mapped_column(String(20), index=True, default="red")


class TicketCreate(BaseModel):
    title: Annotated[str, Field(min_length=3)]
    team: str = "blue"
    announce: bool = False


class TicketRead(BaseModel):
    id: str
    title: str
    shout: str = ""

    def model_post_init(self, _context: Any) -> None:
        self.shout = self.title.upper()


class TooOdd(Exception):
    """An error for which the application has a handler of its own."""


class TicketHooks(ResourceHooks):
    asked: ClassVar[list[str]] = []

    async def before_create(self, change: Change) -> None:
        self.asked.append(change.values["title"])
        if change.values["title"] == "teapot":
            raise HTTPException(418, headers={"Retry-After": "9"})
        if change.values["title"] == "odd":
            raise TooOdd
        change.values["slug"] = change.values["title"].lower().replace(" ", "-")

    async def after_create(self, change: Change) -> None:
        assert change.row is not None
        if isinstance(change.body, TicketCreate) and change.body.announce:
            await change.jobs.submit(
                "system.echo", {"value": change.row["id"]}, owner_id=None
            )

    async def before_update(self, change: Change) -> None:
        assert change.row is not None
        if change.row["title"] == "frozen":
            raise Conflict("This ticket is frozen.")

    async def after_delete(self, change: Change) -> None:
        assert change.row is not None
        if change.row["title"] == "keep":
            raise Conflict("This one stays.")


def teams(principal: Principal | None) -> Any:
    """Ann and Ben are of the blue team, admins see all."""
    if principal is not None and principal.is_admin:
        return true()
    return Ticket.team == "blue"


tickets = describe(
    Ticket,
    path="support-tickets",
    create=TicketCreate,
    read=TicketRead,
    hooks=TicketHooks,
    visible=teams,
    audit=True,
)
Base.metadata.remove(tickets.table)


@pytest.fixture(autouse=True)
def scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The callers, with the scopes of tickets too."""
    own = {tickets.read_scope, tickets.write_scope}
    for name, who in CALLERS.items():
        wider = Principal(
            who.user_id, who.email, who.role, who.scopes | own, who.method
        )
        monkeypatch.setitem(CALLERS, name, wider)


def handle_odd_tickets(app: Edge) -> None:
    async def on_odd_ticket(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("How odd.", 400)

    app.add_exception_handler(TooOdd, on_odd_ticket)


@pytest.fixture(params=[False, True], ids=["routes", "fast"])
async def custom(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str
) -> AsyncIterator[Served]:
    """The resource on each kind of database, with the fast path and without."""
    everything = (*DESCRIPTIONS, tickets)
    async with served(
        tmp_path,
        database_url,
        everything,
        prepare=handle_odd_tickets,
        is_fast=request.param,
    ) as running:
        yield running


PATH = "/api/support-tickets"


async def test_own_schemas_take_the_place_of_the_derived(custom: Served) -> None:
    short = await custom.ann.post(PATH, json={"title": "x"})
    assert short.json()["errors"][0]["pointer"] == "/title"
    made = await custom.ann.post(PATH, json={"title": "Big One"})
    assert made.status_code == 201, made.text
    key = made.json()["id"]
    assert made.json() == {"id": key, "title": "Big One", "shout": "BIG ONE"}
    changed = await custom.ann.patch(f"{PATH}/{key}", json={"title": "Small"})
    assert changed.json()["shout"] == "SMALL"


async def test_hooks_change_values_and_start_jobs(custom: Served) -> None:
    body = {"title": "Big One", "announce": True}
    made = await custom.ann.post(PATH, json=body)
    found = await custom.ann.get(PATH, params={"where": "slug = 'big-one'"})
    assert [row["id"] for row in found.json()["items"]] == [made.json()["id"]]
    jobs = (await custom.admin.get("/api/jobs")).json()["items"]
    assert [job["args"] for job in jobs] == [{"value": made.json()["id"]}]
    assert custom.state.port(TaskRegistry).find("system.echo") is not None


async def test_a_hook_refuses_and_nothing_has_happened(custom: Served) -> None:
    keys = {}
    for title in ("frozen", "keep"):
        made = await custom.ann.post(PATH, json={"title": title})
        keys[title] = made.json()["id"]
    frozen, kept = (f"{PATH}/{key}" for key in keys.values())
    assert (await custom.ann.patch(frozen, json={"title": "new"})).status_code == 409
    assert (await custom.ann.get(frozen)).json()["title"] == "frozen"
    assert (await custom.ann.delete(kept)).status_code == 409
    assert (await custom.ann.get(kept)).status_code == 200


async def test_whatever_a_hook_raises_is_answered_once(custom: Served) -> None:
    TicketHooks.asked.clear()
    teapot = await custom.ann.post(PATH, json={"title": "teapot"})
    odd = await custom.ann.post(PATH, json={"title": "odd"})
    assert (teapot.status_code, teapot.headers["retry-after"]) == (418, "9")
    assert teapot.headers["content-type"] == "application/problem+json"
    assert (odd.status_code, odd.text) == (400, "How odd.")
    assert TicketHooks.asked == ["teapot", "odd"]
    assert (await custom.ann.get(PATH)).json()["items"] == []


async def test_a_row_that_is_not_visible_does_not_exist(custom: Served) -> None:
    red = await custom.admin.post(PATH, json={"title": "secret", "team": "red"})
    place = f"{PATH}/{red.json()['id']}"
    assert (await custom.ann.get(place)).status_code == 404
    assert (await custom.ann.patch(place, json={"title": "abc"})).status_code == 404
    assert (await custom.ann.delete(place)).status_code == 404
    assert (await custom.ann.get(PATH)).json()["items"] == []
    assert (await custom.admin.get(place)).status_code == 200


async def test_each_write_leaves_an_entry_in_the_audit_log(custom: Served) -> None:
    key = (await custom.ann.post(PATH, json={"title": "abc"})).json()["id"]
    await custom.ann.patch(f"{PATH}/{key}", json={"title": "def"})
    await custom.ann.delete(f"{PATH}/{key}")
    await custom.ann.delete(f"{PATH}/{key}")
    log = await custom.admin.get("/api/audit", params={"object_id": key})
    entries = [(e["action"], e["actor_id"], e["detail"]) for e in log.json()["items"]]
    assert entries == [
        ("ticket.delete", "ann", {}),
        ("ticket.update", "ann", {"fields": ["title"]}),
        ("ticket.create", "ann", {}),
    ]


def test_what_cannot_be_a_resource_is_refused_when_it_is_declared() -> None:
    with pytest.raises(ResourceDeclarationError, match="registered twice"):
        describe(Ticket)
    with pytest.raises(ResourceDeclarationError, match="exists already"):
        type("User", (Resource,), {})
    with pytest.raises(ResourceDeclarationError, match="does not derive"):
        describe(dict)  # type: ignore[arg-type]
