"""A served application whose clock a test moves: sign-ins expire without waiting.

It runs in the test's own process, in a thread with a loop of its own, behind the server
that `foretell serve` uses; tests talk to it over its socket alone. Each caller says by
`X-Forwarded-For` where they are, so that the throttle counts them apart.
"""

import asyncio
import re
import secrets
import socket
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import uvicorn

from foretell import Extension
from foretell.app import create_app
from foretell.auth.identity import Identity
from foretell.auth.service import NewUser
from foretell.core.clock import FakeClock
from foretell.core.principal import Role
from foretell.http.edge import Edge
from foretell.settings import Settings
from foretell.testing.draining import drain
from foretell.testing.mails import Mail, Outbox
from tests.served import PASSWORD, unique

T = TypeVar("T")
Client = httpx2.Client
Answer = httpx2.Response


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    id: str
    email: str


class Clocked:
    """See the module's head.

    Attributes:
        admin: A client with an admin's key.
    """

    admin: Client

    def __init__(self, app: Edge, clock: FakeClock, port: int) -> None:
        self.app = app
        self.clock = clock
        self.url = f"http://127.0.0.1:{port}"
        self.loop: asyncio.AbstractEventLoop | None = None

    @property
    def identity(self) -> Identity:
        found: Identity = self.app.state.foretell.port(Identity)
        return found

    @property
    def data_dir(self) -> Path:
        folder: Path = self.app.state.foretell.settings.data_dir
        return folder

    def client(self, token: str | None = None, **headers: str) -> Client:
        """A client at an address of its own."""
        headers.setdefault("X-Forwarded-For", address())
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return Client(base_url=self.url, headers=headers, timeout=60)

    def person(self, role: str = "viewer", password: str = PASSWORD) -> Person:
        """Make an account over HTTP."""
        email = f"{unique('p')}@example.org"
        body = {"email": email, "password": password, "name": "Ann", "role": role}
        made = self.admin.post("/api/users", json=body)
        assert made.status_code == 201, made.text
        return Person(made.json()["id"], email)

    def sign_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        """Tokens by the password."""
        with self.client() as client:
            answer = by_password(client, email, password)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def signed_in(self, email: str, password: str = PASSWORD) -> Client:
        """A client with a fresh access token."""
        return self.client(self.sign_in(email, password)["access_token"])

    def browser(self, email: str, password: str = PASSWORD) -> Client:
        """A client with a session cookie, that sends its CSRF token."""
        body = {"email": email, "password": password}
        with self.client() as signing_in:
            opened = signing_in.post("/api/session", json=body)
        assert opened.status_code == 201, opened.text
        client = self.client(**{"X-CSRF-Token": opened.json()["csrf_token"]})
        for cookie in signing_in.cookies.jar:
            client.cookies.jar.set_cookie(cookie)
        return client

    def mails(self, to: str) -> list[Mail]:
        """The mails so far to one address, once waiting jobs have run."""
        self.run(drain(self.app.state.foretell))
        return [mail for mail in Outbox(self.data_dir / "outbox") if mail.to == to]

    def mailed_token(self, to: str) -> str:
        """The token of the last mail to an address."""
        found = re.search(r"/#/\w+/(\w+)", self.mails(to)[-1].text)
        assert found is not None
        return found[1]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's own loop."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


def by_password(client: Client, email: str, password: str, **more: str) -> Answer:
    form = {"grant_type": "password", "username": email, "password": password}
    return client.post("/token", data=form | more)


def refresh(client: Client, token: str, **more: str) -> Answer:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return client.post("/token", data=form | more)


def address() -> str:
    """A network address that nobody else has."""
    return "10." + ".".join(str(byte) for byte in secrets.token_bytes(3))


@contextmanager
def clocked(
    data_dir: Path, *, extensions: Iterable[Extension] = (), **settings: Any
) -> Iterator[Clocked]:
    """Serve an application until the end of the block."""
    clock = FakeClock()
    app = create_app(
        Settings(data_dir=data_dir, **settings),
        extensions=extensions,
        clock=clock,
        with_worker=False,
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        found = Clocked(app, clock, listener.getsockname()[1])
        config = uvicorn.Config(
            app,
            http="httptools",
            log_config=None,
            lifespan="on",
            forwarded_allow_ips="127.0.0.1",
        )
        server = uvicorn.Server(config)

        async def serve() -> None:
            found.loop = asyncio.get_running_loop()
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        try:
            _wait(server, thread)
            with found.client(_first_key(found)) as found.admin:
                yield found
        finally:
            server.should_exit = True
            thread.join(30)


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < until, "the server does not start"
        time.sleep(0.01)


def _first_key(server: Clocked) -> str:
    """A key of the first admin that never expires."""

    async def make() -> None:
        new = NewUser("admin@example.org", PASSWORD, "Admin", Role.ADMIN)
        async with server.identity.unit_of_work() as services:
            await services.accounts.create_local(new)

    server.run(make())
    tokens = server.sign_in("admin@example.org")
    with server.client(tokens["access_token"]) as admin:
        scopes = admin.get("/api/me").json()["scopes"]
        body = {"name": "test", "scopes": scopes, "expires_at": None}
        key: str = admin.post("/api/keys", json=body).json()["key"]
    return key
