"""Servers of a test's own, each a process tree that it may freeze, kill and stop.

Their ports lie below those that the system gives to clients: one that was killed finds
its port free again.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.processes import descendants

_PORTS = range(20_000, 30_000)
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_LOOPBACK = "127.0.0.1"


class OwnServer:
    """One server on a free port of loopback; starting it again is allowed.

    Subclasses say how it starts, when it answers and which user it needs where the
    tests are run by root.
    """

    user: str | None = None
    ends_by = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def prepare(self) -> None:
        """Make what it needs before its first start."""

    @property
    def folder(self) -> Path:
        """Of this server alone; removed at its end."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="server-")
            if self._user is not None:
                shutil.chown(self._folder.name, self._user)
        return Path(self._folder.name)

    def __enter__(self) -> Self:
        self.prepare()
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.kill()
        if self._folder is not None:
            self._folder.cleanup()

    def start(self) -> None:
        """Start it and wait until it answers."""
        until = time.monotonic() + _START_SECONDS
        while not self._is_up():
            assert time.monotonic() < until, f"{self.command()[0]} does not answer"
            time.sleep(0.02)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End every process of it at once."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to end as its users do, and wait."""
        assert self._process is not None
        for pid in self._asked():
            with suppress(ProcessLookupError):
                os.kill(pid, self.ends_by)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()

    def run(self, *command: str) -> None:
        """Run a tool of the server's to its end, as the server's user."""
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self._user,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def _asked(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    def _is_up(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            # It met what a killed one left behind, which is gone in a moment.
            self._process = None
            time.sleep(0.1)
        if self._process is None:
            self._process = subprocess.Popen(
                self.command(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=self.environment(),
                start_new_session=True,
                user=self._user,
            )
        with suppress(OSError):
            return self.answers()
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        for one in (pid, *descendants(pid)):
            with suppress(ProcessLookupError):
                os.kill(one, number)

    @property
    def _user(self) -> str | None:
        return self.user if os.getuid() == 0 else None


class RedisServer(OwnServer):
    """A Redis without persistence.

    Args:
        options: More of `redis-server`.
    """

    def __init__(self, *options: str) -> None:
        super().__init__()
        self._options = options

    @property
    def url(self) -> str:
        return f"redis://{_LOOPBACK}:{self.port}/0"

    def command(self) -> list[str]:
        options = ["--bind", _LOOPBACK, "--save", "", "--appendonly", "no"]
        return ["redis-server", "--port", str(self.port), *options, *self._options]

    def answers(self) -> bool:
        # Or it asks for a password.
        return self._ask(b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))

    def holds_keys(self) -> bool:
        """Whether something is stored in it."""
        return int(self._ask(b"DBSIZE\r\n").strip(b":\r\n")) > 0

    def _ask(self, request: bytes) -> bytes:
        with connection_to(self.port) as connection:
            connection.sendall(request)
            return connection.recv(32)


class RabbitmqServer(OwnServer):
    """A RabbitMQ node with a name, a port and files of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._name = f"test-{secrets.token_hex(4)}@localhost"
        self._node_port = free_port()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{_LOOPBACK}:{self.port}//"

    def command(self) -> list[str]:
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_IP_ADDRESS": _LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
        }

    def answers(self) -> bool:
        with connection_to(self.port) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(3) == b"\x01\x00\x00"

    def _asked(self) -> list[int]:
        # Its shell would call tools that take seconds; Erlang takes the signal itself.
        assert self._process is not None
        return descendants(self._process.pid)[:1]


class DatabaseServer(OwnServer):
    """A database server with an empty database `test`."""

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.create("test")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def create(self, name: str) -> None:
        """Make an empty database."""
        raise NotImplementedError

    @classmethod
    def is_installed(cls) -> bool:
        raise NotImplementedError


class PostgresqlServer(DatabaseServer):
    """A PostgreSQL that does not wait for its disk: a killed process loses nothing
    that it gave to the system."""

    user = "postgres"
    ends_by = signal.SIGINT  # its "fast" way: connections end, too

    @classmethod
    def is_installed(cls) -> bool:
        return _programs() is not None

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://root@{_LOOPBACK}:{self.port}/test"

    def prepare(self) -> None:
        made = ["--pgdata", self._data, "--auth", "trust", "--username", "root"]
        self.run(f"{_programs()}/initdb", *made, "--no-sync", "--encoding", "UTF8")

    def command(self) -> list[str]:
        options = [
            f"listen_addresses={_LOOPBACK}",
            f"unix_socket_directories={self.folder}",
            "fsync=off",
        ]
        settings = [part for option in options for part in ("-c", option)]
        program = f"{_programs()}/postgres"
        return [program, "-D", self._data, "-p", str(self.port), *settings]

    def answers(self) -> bool:
        # It listens before it is ready; `pg_isready` tells.
        address = ["--host", _LOOPBACK, "--port", str(self.port)]
        ready = [f"{_programs()}/pg_isready", "--quiet", *address]
        return subprocess.run(ready, check=False).returncode == 0

    def create(self, name: str) -> None:
        address = ["--host", _LOOPBACK, "--port", str(self.port), "--username", "root"]
        self.run(f"{_programs()}/createdb", *address, "--maintenance-db=postgres", name)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")


class MariadbServer(DatabaseServer):
    """A MariaDB, as patient with its disk."""

    user = "mysql"

    @classmethod
    def is_installed(cls) -> bool:
        wanted = ("mariadbd", "mariadb-install-db", "mariadb")
        return all(shutil.which(name, path=_PATH) for name in wanted)

    @property
    def url(self) -> str:
        return f"mysql+asyncmy://root@{_LOOPBACK}:{self.port}/test?charset=utf8mb4"

    def prepare(self) -> None:
        self.run(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def command(self) -> list[str]:
        return [
            str(shutil.which("mariadbd", path=_PATH)),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--port={self.port}",
            f"--bind-address={_LOOPBACK}",
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def answers(self) -> bool:
        with connection_to(self.port) as connection:
            # The fourth byte numbers its first packet, the fifth is the protocol: 10.
            return connection.recv(5)[3:] == b"\x00\x0a"

    def create(self, name: str) -> None:
        socket_path = f"--socket={self.folder / 'socket'}"
        statement = f"CREATE DATABASE IF NOT EXISTS {name}"
        self.run("mariadb", "--no-defaults", socket_path, "-uroot", "-e", statement)


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps one for each version."""
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


def connection_to(port: int) -> socket.socket:
    return socket.create_connection((_LOOPBACK, port), timeout=1)


def free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_LOOPBACK, port))
            return port
