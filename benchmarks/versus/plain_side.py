"""The plain patterns: uvicorn, a Celery worker, a server more for each kind of model."""

import os
import pickle
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.processes import free_port, wait_for
from benchmarks.versus.artifacts import WRONG_FILES
from benchmarks.versus.brokers import Redis
from benchmarks.versus.models import estimators
from benchmarks.versus.rows import Seen, until
from benchmarks.versus.sides import STOP_SECONDS, Person, Side

SOURCE = Path(__file__).parents[1] / "plain_patterns"
BIN = SOURCE / ".venv" / "bin"


class PlainSide(Side):
    """See the module's head."""

    name = "plain"
    health = readiness = "/health"
    mails_take = 2.0

    def __init__(self, folder: Path, database_url: str, redis: Redis) -> None:
        super().__init__(database_url, redis)
        self._folder = folder
        self._log = folder / "worker.log"
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self._worker: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['binary']}"

    @contextmanager
    def running(self) -> Iterator[Side]:
        with self._stack:
            try:
                self._start()
                yield self
            finally:
                for process in (self._worker, *self._servers.values()):
                    _kill(process)

    def api_process(self) -> int:
        return self._servers["binary"].pid

    def predict(self, kind: str, body: dict[str, Any]) -> httpx2.Response:
        if kind not in self._servers:
            self._start_others()
        url = f"http://127.0.0.1:{self._ports[kind]}/api/predict"
        return self.ask(self.stranger(), "POST", url, json=body)

    def credential(self) -> dict[str, str]:
        return {}  # it asks for none

    def replace_model(self, content: bytes) -> None:
        (self._folder / "binary.pkl").write_bytes(content)

    def start_with(self, number: str) -> Seen:
        path = self._folder / f"{number}.pkl"
        if number in WRONG_FILES:
            path.write_bytes(WRONG_FILES[number]())
        process = self._serve(number)
        code = process.wait(30) if not self._answers(process, number) else None
        _kill(process)
        if (self._folder / "pwned.txt").exists() and number == "D6":
            return Seen("its code ran", False)
        if code is None:
            return Seen("starts", True)
        said = (self._folder / f"{number}.log").read_text().splitlines()
        return Seen(f"no start: {said[-1]}"[:46], False)

    def restart(self) -> float:
        process = self._servers["binary"]
        started = time.monotonic()
        process.terminate()
        until(lambda: process.poll() is not None, STOP_SECONDS)
        seconds = time.monotonic() - started
        _kill(process)
        self._servers["binary"] = self._serve("binary")
        wait_for(self._health_of("binary"), self._servers["binary"])
        return seconds

    def mails(self, person: Person) -> int:
        sent = f"Email sent to user {person.id}\n"
        return self._log.read_text().count(sent) if self._log.exists() else 0

    @contextmanager
    def without_worker(self) -> Iterator[None]:
        _kill(self._worker)
        yield
        self._work()

    def start_slow_job(self) -> Person:
        person = self.person()
        self.ask(self.stranger(), "POST", f"/api/send-email/{person.id}")
        begun = f"Sending email to user {person.id}\n"
        assert until(lambda: begun in self._log.read_text(), 10)
        return person

    def is_done(self, job: Person) -> bool:
        return self.mails(job) > 0

    def kill_worker(self) -> None:
        with self.without_worker():
            pass

    def _start(self) -> None:
        for kind, estimator in estimators().items():
            (self._folder / f"{kind}.pkl").write_bytes(pickle.dumps(estimator))
        subprocess.run(
            [str(BIN / "python"), str(SOURCE / "prepare.py")],
            env=self._environment("binary"),
            cwd=self._folder,
            check=True,
        )
        self._servers["binary"] = self._serve("binary")
        self._work()
        wait_for(self._health_of("binary"), self._servers["binary"])

    def _start_others(self) -> None:
        """A server for each other kind of model: there is one model in each."""
        for kind in estimators().keys() - self._servers:
            self._servers[kind] = self._serve(kind)
        for kind, process in self._servers.items():
            wait_for(self._health_of(kind), process)

    def _serve(self, kind: str) -> subprocess.Popen[bytes]:
        port = self._ports.setdefault(kind, free_port())
        command = [str(BIN / "uvicorn"), "--app-dir", str(SOURCE), "main:app"]
        return self._run([*command, "--port", str(port)], kind, f"{kind}.log")

    def _work(self) -> None:
        ready = self._ready()
        command = [str(BIN / "celery"), "-A", "main.celery_app", "worker"]
        command += ["--concurrency", "4", "--loglevel", "INFO"]
        self._worker = self._run(command, "binary", "worker.log")
        if not until(lambda: self._ready() > ready, 120):
            raise TimeoutError("the Celery worker does not start")

    def _ready(self) -> int:
        return self._log.read_text().count(" ready.") if self._log.exists() else 0

    def _run(self, command: list[str], kind: str, log: str) -> subprocess.Popen[bytes]:
        with (self._folder / log).open("ab") as output:
            return subprocess.Popen(
                command,
                env=self._environment(kind),
                cwd=self._folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _answers(self, process: subprocess.Popen[bytes], kind: str) -> bool:
        try:
            wait_for(self._health_of(kind), process)
        except RuntimeError:
            return False
        return True

    def _health_of(self, kind: str) -> str:
        return f"http://127.0.0.1:{self._ports[kind]}{self.health}"

    def _environment(self, kind: str) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis.url,
            "MODEL_PATH": str(self._folder / f"{kind}.pkl"),
            "PYTHONPATH": str(SOURCE),
        }


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    """End a process with all it has started; it may be gone already."""
    if process is not None and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
