"""The processes of `foretell serve`: the API, and the supervisor of workers.

One process runs the application with its supervisor in it. Several share one socket
below a parent, and the parent alone supervises the workers. Imported inside the
command: it loads uvicorn and SQLAlchemy.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import uvicorn
from uvicorn.supervisors import ChangeReload, Multiprocess

from foretell.cli.local import opened
from foretell.client.credentials import address_of
from foretell.composition import WORKER, worker_composition
from foretell.connections.addresses import allowed_addresses
from foretell.core import schema
from foretell.core.clock import SystemClock
from foretell.core.db import Database
from foretell.core.logs import configure_logs
from foretell.core.principal import Principal
from foretell.errors import Conflict
from foretell.extension.discovery import found, import_application, state_in
from foretell.http.framing import StrictProtocol
from foretell.jobs.choosing import bell_of
from foretell.jobs.composing import chores
from foretell.jobs.supervisor import Supervisor
from foretell.settings import Settings, load_settings

APPLICATION = "foretell.cli.server:application"
# Without the prefix of settings: it tells our own children what their parent does.
_PLAN_VARIABLE = "_FORETELL_PLAN"
QUEUES_VARIABLE = "_FORETELL_QUEUES"
# Requests get this long at the end; the workers drain within the rest of 10 s.
_GRACE_SECONDS = 3
_KEEP_ALIVE_SECONDS = 30


class PortTaken(Conflict):
    """Another program listens there."""

    slug = "port-taken"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"Cannot listen on {host}:{port}: {reason}. Try another: "
            f"foretell serve --port {port + 1}"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How to serve."""

    processes: int
    is_reloading: bool
    with_worker: bool
    with_migration: bool

    @property
    def is_single(self) -> bool:
        return self.processes == 1 and not self.is_reloading


def run(settings: Settings, plan: Plan) -> int:
    """Serve until a signal says stop; gives the exit code."""
    _open_logs(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    listener = _listen(settings)
    _announce(settings, listener, asyncio.run(_prepare(settings, plan)))
    _tell_children(plan)
    config = config_of(settings, plan)
    server = uvicorn.Server(config)
    # uvicorn raises the signal once more when it has stopped: being told to stop is
    # no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    if plan.is_single:
        server.run(sockets=[listener])
        return 0 if server.started else 1
    if plan.is_reloading:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
        return 0
    with _Supervising(settings, plan.with_worker):
        Multiprocess(config, sockets=[listener]).run()
    return 0


def run_worker(settings: Settings, queues: str) -> None:
    """Run jobs until a signal says stop."""
    _open_logs(settings)
    os.environ[QUEUES_VARIABLE] = queues

    allowed_addresses(settings)  # refused before a database is open

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        database = Database(settings.database_address, pool_size=2)
        try:
            await schema.ensure_current(database, found(settings).branches())
            async with _supervised(settings, database):
                await stop.wait()
        finally:
            await database.close()

    asyncio.run(work())


def application() -> Any:
    """The application to serve, in whichever process this is."""
    from foretell.app import create_app

    settings = load_settings()
    _open_logs(settings)
    app = import_application(settings.app) if settings.app else create_app(settings)
    words = os.environ.get(_PLAN_VARIABLE, "").split()
    state = state_in(app)
    if state is not None:
        state.with_worker = state.with_worker and "no-worker" not in words
        state.with_migration = state.with_migration and "no-migrate" not in words
    return app


def _open_logs(settings: Settings) -> None:
    configure_logs(settings.log_format)
    # At every look at the schema it says that it looks.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)


async def _prepare(settings: Settings, plan: Plan) -> str | None:
    """Migrate, and make a setup code when the server has no admin."""
    branches = found(settings).branches()
    database = Database(settings.database_address, pool_size=1)
    try:
        await schema.prepare(database, branches, may_upgrade=plan.with_migration)
    finally:
        await database.close()
    async with opened(settings) as server, server.identity.unit_of_work() as services:
        return await services.setup.issue_code()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        reason = error.strerror or "unknown address"
        raise PortTaken(settings.host, settings.port, reason) from error
    listener.set_inheritable(True)
    return listener


def _announce(settings: Settings, listener: socket.socket, code: str | None) -> None:
    port = listener.getsockname()[1]
    url = settings.public_url or address_of(settings.host, port)
    print(f"Foretell {version('foretell')} at {url}  (API: {url}/docs)")
    print(f"data in {settings.data_dir}")
    if code is not None:
        print(
            f"No admin yet. Setup code: {code}\n"
            "  or on this machine: foretell user create you@example.org"
        )
    sys.stdout.flush()


def _tell_children(plan: Plan) -> None:
    words = [
        # Several processes: their parent has the workers.
        "no-worker" if not plan.with_worker or plan.processes > 1 else "",
        "" if plan.with_migration else "no-migrate",
    ]
    os.environ[_PLAN_VARIABLE] = " ".join(filter(None, words))


def config_of(settings: Settings, plan: Plan) -> uvicorn.Config:
    """How uvicorn serves: one strict protocol, no header that a stranger sets."""
    return uvicorn.Config(
        APPLICATION,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=plan.processes,
        reload=plan.is_reloading,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=StrictProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


@asynccontextmanager
async def _supervised(settings: Settings, database: Database) -> AsyncIterator[None]:
    """Workers, and schedules with them, while the block runs."""
    composition = worker_composition()

    async def principal_of(owner_id: str) -> Principal | None:
        return await composition.principal_of(database, owner_id)

    async with (
        composition.services(database) as parts,
        Supervisor(
            WORKER,
            database=database,
            data_dir=settings.data_dir,
            clock=SystemClock(),
            processes=settings.worker_concurrency,
            chores=chores(parts, principal_of),
            bell=bell_of(parts),
        ),
    ):
        yield


class _Supervising:
    """The supervisor on a thread with a loop of its own, while the block runs.

    uvicorn's parent process has no event loop and keeps the main thread busy.
    """

    def __init__(self, settings: Settings, is_wanted: bool) -> None:
        self._settings = settings
        self._is_wanted = is_wanted
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def __enter__(self) -> None:
        if self._is_wanted:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        if self._is_wanted:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._supervise())

    async def _supervise(self) -> None:
        database = Database(self._settings.database_address, pool_size=2)
        try:
            async with _supervised(self._settings, database):
                await self._stop.wait()
        finally:
            await database.close()
