"""Every dependency by name is replaced in a test by one line."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import text

from foretell import (
    CurrentUser,
    Datasets,
    Extension,
    Identity,
    Jobs,
    Models,
    Session,
    Settings,
    create_access_token,
    requires,
)
from foretell.auth.identity import Identity as IdentityOfProcess
from foretell.core.principal import Principal, Role
from foretell.testing import override

desk = Extension("desk")
desk.scope("desk:use", role="admin")


def greeting() -> str:
    return "hello"


Greeting = Annotated[str, Depends(greeting)]


@desk.router.get("/four")
async def four(
    user: CurrentUser, settings: Settings, jobs: Jobs, session: Session
) -> dict[str, str]:
    rows = await session.scalars(text("SELECT 1"))
    job = await jobs.enqueue("system.echo", value=1)
    return {
        "user": user.email,
        "signup": settings.signup,
        "job": job.id,
        "rows": str(list(rows)),
    }


@desk.router.get("/two")
async def two(
    user: CurrentUser, datasets: Datasets, models: Models, greeting: Greeting
) -> list[str]:
    tables = await datasets.list_page(user, cursor=None, limit=1)
    found = await models.list_page(user, cursor=None, limit=1)
    return [greeting, str(tables.items), str(found.items)]


@desk.router.post("/token", dependencies=[requires("desk:use")])
async def token(user: CurrentUser, identity: Identity, session: Session) -> str:
    # The session has written: a token must not need a second transaction.
    await session.execute(text("UPDATE users SET name = 'x' WHERE id = 'nobody'"))
    return await create_access_token(
        identity, user.user_id, lifetime=timedelta(minutes=1)
    )


class Fake:
    """Stands for whatever a test puts in a service's place."""

    def __init__(self, **answers):
        self._answers = answers

    def __getattr__(self, name):
        async def answer(*_: object, **__: object) -> object:
            return self._answers[name]

        return answer


class Page:
    items = ("fake",)


GUEST = Principal("g", "guest@x.org", Role.VIEWER, frozenset(), "test")


@pytest.fixture
def extensions():
    return [desk]


async def test_four_dependencies_each_by_one_line(app, anonymous, settings):
    override(app, CurrentUser, GUEST)
    override(app, Settings, settings.model_copy(update={"signup": "open"}))
    job = SimpleNamespace(id="j1")
    override(app, Jobs, Fake(enqueue=job))
    override(app, Session, Fake(scalars=[7]))
    answer = await anonymous.get("/api/ext/desk/four")
    assert answer.json() == {
        "user": "guest@x.org",
        "signup": "open",
        "job": "j1",
        "rows": "[7]",
    }


async def test_services_of_areas_and_own_dependencies(app, client):
    assert (await client.get("/api/ext/desk/two")).json() == ["hello", "[]", "[]"]
    override(app, Datasets, Fake(list_page=Page))
    override(app, Models, Fake(list_page=Page))
    override(app, Greeting, "hi")
    fake = "('fake',)"
    assert (await client.get("/api/ext/desk/two")).json() == ["hi", fake, fake]


async def test_requires_and_the_caller(app, anonymous, sign_in):
    viewer = await sign_in("viewer")
    assert (await viewer.post("/api/ext/desk/token")).status_code == 403
    override(app, requires, None)
    answer = await viewer.post("/api/ext/desk/token")
    again = await sign_in.nobody(Authorization=f"Bearer {answer.json()}")
    assert (await again.get("/api/me")).json()["role"] == "viewer"
    assert (await anonymous.post("/api/ext/desk/token")).status_code == 401


async def test_identity_is_replaced_too(app, client):
    class Known(Fake):
        options = app.state.foretell.port(IdentityOfProcess).options
        tokens = Fake(issue="a token")

    user = type("User", (), {"id": "u", "role": "viewer", "token_version": 1})()
    override(app, Identity, Known(get_user=user))
    assert (await client.post("/api/ext/desk/token")).json() == "a token"


def test_what_is_no_dependency_is_refused(settings):
    with pytest.raises(TypeError, match="no dependency"):
        override(FastAPI(), 3, None)
