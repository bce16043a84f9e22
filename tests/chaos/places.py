"""Where chaos happens: stores, executors, and the servers behind them, all of its own."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.databases import throw_away
from tests.jobs.conftest import Site
from tests.servers import (
    DatabaseServer,
    MariadbServer,
    OwnServer,
    PostgresqlServer,
    RabbitmqServer,
    RedisServer,
)

DISK_MIB = 48
_CELERY = "foretell.plugins.executors.celery:CeleryExecutor"


@dataclass(frozen=True)
class Executor:
    """How jobs get to workers: the dotted name of what carries ids, and its broker."""

    place: str = ""
    broker: type[OwnServer] | None = None


EXECUTORS = {
    "embedded": Executor(),
    "celery": Executor(_CELERY, RedisServer),
    "celery-rabbitmq": Executor(_CELERY, RabbitmqServer),
    "rq": Executor("foretell.plugins.executors.rq:RqExecutor", RedisServer),
    "dramatiq": Executor(
        "foretell.plugins.executors.dramatiq:DramatiqExecutor", RedisServer
    ),
}
STORES = ("sqlite", "postgresql", "mysql")
_DATABASES: dict[str, type[DatabaseServer]] = {
    "postgresql": PostgresqlServer,
    "mysql": MariadbServer,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A site and the servers that only it uses.

    Attributes:
        database: `None` for SQLite, and where the server's programs are missing: then
            it is a database of a server that may not be killed.
        has_small_disk: Whether its folder is a disk that a fault may fill.
    """

    site: Site
    database: DatabaseServer | None
    broker: OwnServer | None
    has_small_disk: bool


@contextmanager
def place_of(store: str, executor: str, *, has_small_disk: bool) -> Iterator[Place]:
    """An empty database, a broker and a folder, on a small disk of its own if wanted."""
    carrier = EXECUTORS[executor]
    with ExitStack() as stack:
        folder = stack.enter_context(_folder(has_small_disk))
        database = None
        if store == "sqlite":
            url = f"sqlite+aiosqlite:///{folder / 'jobs.db'}"
        elif _DATABASES[store].is_installed():
            database = stack.enter_context(_DATABASES[store]())
            url = database.url
        else:
            url = stack.enter_context(throw_away(store))
        broker = None
        if carrier.broker is not None:
            broker = stack.enter_context(carrier.broker())
        site = Site(url, folder, carrier.place, broker.url if broker else "")
        site.make_tables()
        yield Place(site, database, broker, has_small_disk)


def left_out() -> list[str]:
    """What this machine cannot break, in words."""
    found = [
        f"{store}: a shared server, which may not be killed or frozen"
        for store, server in _DATABASES.items()
        if not server.is_installed()
    ]
    if not may_mount():
        found.append("disk full: a small disk may not be mounted here")
    return found


def is_installed(executor: str) -> bool:
    """Whether its broker is on this machine."""
    program = {
        RedisServer: "redis-server",
        RabbitmqServer: "/usr/lib/rabbitmq/bin/rabbitmq-server",
    }
    broker = EXECUTORS[executor].broker
    return broker is None or shutil.which(program[broker]) is not None


@contextmanager
def _folder(is_small_disk: bool) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        if not is_small_disk:
            yield Path(name)
            return
        _mount(name, DISK_MIB)
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


def may_mount() -> bool:
    """Whether this process may make a small disk."""
    with tempfile.TemporaryDirectory() as name:
        try:
            _mount(name, 1)
        except (OSError, subprocess.CalledProcessError):
            return False
        subprocess.run(["umount", name], check=True)
        return True


def _mount(folder: str, mebibytes: int) -> None:
    kind = ["-t", "tmpfs", "-o", f"size={mebibytes}m", "chaos"]
    subprocess.run(["mount", *kind, folder], check=True, capture_output=True)
