"""Who takes part, how each is started, and how each wants its requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from benchmarks import processes

FOLDER = Path(__file__).parent
PEERS_PYTHON = FOLDER / ".venv/bin/python"
SERVER_CPU, LOAD_CPU = 0, 1


@dataclass(frozen=True)
class Contender:
    """One server.

    Attributes:
        module: Module of `peers` with the application.
        address: Path of the customers.
        full: What follows `address/ID` to get the last ten orders too.
        if_match: The ETag of a row at version 1, `%s` its id; `None`: the version
            goes in the body.
        token: Sent as Bearer with each request.
        validates: Whether a bad body is refused.
        table: Where its customers are.
        may_fail: Whether requests that it fails under load are counted, as they are of
            peers, or end the run.
    """

    name: str
    module: str = ""
    server: str = "uvicorn"
    address: str = "/customers"
    full: str = "/full"
    if_match: str | None = None
    token: str = ""
    validates: bool = True
    table: str = "customers"
    may_fail: bool = True
    environment: dict[str, str] = field(default_factory=dict)

    def environment_on(self, database_url: str) -> dict[str, str]:
        """What its process finds in the environment."""
        return {"BENCH_DATABASE_URL": database_url, **self.environment}

    def command(self, port: int) -> list[str]:
        app = f"benchmarks.crud.peers.{self.module}:app"
        if self.server == "gunicorn":
            options = ["-k", "gthread", "--threads", "10", "-b", f"127.0.0.1:{port}"]
            return [str(PEERS_PYTHON), "-m", "gunicorn", *options, app]
        options = ["--port", str(port), "--loop", "uvloop", "--http", "httptools"]
        options += ["--no-access-log", "--no-server-header", "--log-level", "warning"]
        return [str(PEERS_PYTHON), "-m", "uvicorn", app, *options]

    def readiness(self) -> str:
        """A path that answers 200 once it serves."""
        return f"{self.address}?city=city-1&limit=1"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


LIMIT = Contender("limit", "limit", validates=False)
HAND_ORM = Contender("hand ORM", "orm")
PEERS = [
    HAND_ORM,
    Contender("Litestar", "litestar_app"),
    Contender("FastCRUD", "fastcrud_app"),
    Contender("Django Ninja", "ninja_app", server="gunicorn"),
]


@dataclass(frozen=True)
class Running:
    """A contender that serves: its URL and the process that was started."""

    contender: Contender
    url: str
    pid: int

    @property
    def customers(self) -> str:
        return self.url + self.contender.address

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.url, headers=self.contender.headers, timeout=10
        )


@contextmanager
def serving(contender: Contender, database_url: str) -> Iterator[Running]:
    """Run one contender, pinned to its core, until the block ends."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    environment = contender.environment_on(database_url)
    with processes.served(
        contender.command(port),
        url + contender.readiness(),
        cpu=SERVER_CPU,
        **environment,
    ) as process:
        yield Running(contender, url, process.pid)
