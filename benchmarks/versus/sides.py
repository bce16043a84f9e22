"""What the rows know of a server: where it is and how to be somebody there.

`Side` sends requests and keeps count of what every refusal must be; what differs
between the two servers (starting, models, workers, mails) is in its subclasses.
"""

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from tests.databases import administer

from benchmarks.versus.brokers import Redis
from benchmarks.versus.rows import Seen, told

PASSWORD = "correct horse battery"
FRONT_END = "https://app.example.org"
JSON = {"Content-Type": "application/json"}
SECONDS = 30.0
# How long a server may take to end after SIGTERM.
STOP_SECONDS = 6.0


def address() -> str:
    """An e-mail address that nobody has."""
    return f"ann-{secrets.token_hex(5)}@example.org"


@dataclass(frozen=True, slots=True)
class Person:
    """A new account and a token of it."""

    id: Any
    email: str
    token: str


class Side(ABC):
    """One of the two servers.

    Attributes:
        name: As the table calls it.
        health, readiness: Paths.
        mails_take: Seconds its mail server takes for one.
        refusals, problems: Answers of 400 and more (log-in apart, which has a form of
            its own), and those of them that are problem documents with a request id.
        cuts: Connections that were closed under a client's next request.
    """

    name: str
    health: str
    readiness: str
    mails_take: float

    def __init__(self, database_url: str, redis: Redis) -> None:
        self.database_url = database_url
        self.redis = redis
        self.refusals = self.problems = self.cuts = 0
        self.last = "no answer"
        self._stack = ExitStack()
        self._person: Person | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it listens now."""

    @abstractmethod
    def running(self) -> AbstractContextManager["Side"]:
        """Start it, with a worker and its models; stop it at the end."""

    @abstractmethod
    def predict(self, kind: str, body: dict[str, Any]) -> httpx2.Response:
        """POST /api/predict where the model of that kind answers."""

    @abstractmethod
    def credential(self) -> dict[str, str]:
        """Headers of somebody who may predict and upload."""

    @abstractmethod
    def replace_model(self, content: bytes) -> None:
        """Put another file in the place of the default model."""

    @abstractmethod
    def start_with(self, number: str) -> Seen:
        """What a wrong model file does at the start, by the row's number."""

    @abstractmethod
    def restart(self) -> float:
        """Stop by SIGTERM and start again; seconds until it was gone, `STOP_SECONDS`
        if it had to be killed."""

    @abstractmethod
    def mails(self, person: Person) -> int:
        """Mails that went out to somebody."""

    @abstractmethod
    def without_worker(self) -> AbstractContextManager[None]:
        """Nobody works on the queue inside the block."""

    @abstractmethod
    def start_slow_job(self) -> Any:
        """Start a job of two seconds and wait until a worker has begun."""

    @abstractmethod
    def is_done(self, job: Any) -> bool:
        """Whether that job has ended well."""

    @abstractmethod
    def kill_worker(self) -> None:
        """Kill -9 every worker process, and have one again as usual."""

    @abstractmethod
    def api_process(self) -> int:
        """The process id of the server that answers."""

    # Being somebody

    def stranger(self, **headers: str) -> httpx2.Client:
        """A client without a credential, at an address of its own."""
        origin = "10." + ".".join(str(byte) for byte in os.urandom(3))
        headers = {"X-Forwarded-For": origin, **headers}
        client = httpx2.Client(base_url=self.url, headers=headers, timeout=SECONDS)
        self._stack.callback(client.close)
        return client

    def with_token(self, token: str) -> httpx2.Client:
        return self.stranger(Authorization=f"Bearer {token}")

    def person(self) -> Person:
        """Sign up and log in."""
        email = address()
        made = self.sign_up(email).json()
        token = self.log_in(email).json()["access_token"]
        return Person(made["id"], email, token)

    def somebody(self) -> Person:
        """The same person again and again."""
        if self._person is None:
            self._person = self.person()
        return self._person

    def signed_in(self) -> httpx2.Client:
        return self.with_token(self.somebody().token)

    # Asking

    def ask(
        self, client: httpx2.Client, method: str, path: str, **options: Any
    ) -> httpx2.Response:
        """Send one request, once more if the connection was closed under it."""
        try:
            answer = client.request(method, path, **options)
        except (httpx2.ReadError, httpx2.RemoteProtocolError):
            self.cuts += 1
            answer = client.request(method, path, **options)
        self.last = told(answer)
        if answer.status_code >= 400 and path not in ("/token", self.readiness):
            self.refusals += 1
            is_problem = (
                answer.headers.get("content-type") == "application/problem+json"
            )
            self.problems += is_problem and "request_id" in answer.json()
        return answer

    def sign_up(
        self, email: str, *, client: httpx2.Client | None = None, **fields: Any
    ) -> httpx2.Response:
        body = {"email": email, "password": PASSWORD, "name": "Ann", **fields}
        return self.ask(client or self.stranger(), "POST", "/api/users", json=body)

    def log_in(
        self, email: str, password: str = PASSWORD, client: httpx2.Client | None = None
    ) -> httpx2.Response:
        form = {"grant_type": "password", "username": email, "password": password}
        return self.ask(client or self.stranger(), "POST", "/token", data=form)

    def refresh(self, token: str) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.ask(self.stranger(), "POST", "/token", data=form)

    def me(self, token: str) -> httpx2.Response:
        return self.ask(self.with_token(token), "GET", "/api/me")

    # The database

    def cut_connections(self) -> None:
        """End all sessions of the database, as its restart does."""
        base, _, name = self.database_url.rpartition("/")
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        administer(f"{base}/postgres", f"{ending} WHERE datname = '{name}'")

    @contextmanager
    def closed_database(self) -> Iterator[None]:
        """Nobody gets a connection to the database inside the block."""
        base, _, name = self.database_url.rpartition("/")
        change = f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS"
        administer(f"{base}/postgres", f"{change} false")
        try:
            self.cut_connections()
            yield
        finally:
            administer(f"{base}/postgres", f"{change} true")
