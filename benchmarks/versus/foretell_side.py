"""Foretell with the five routes of examples/five_patterns, one `foretell serve`."""

import os
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests.acceptance.processes import descendants, is_worker
from tests.served import Server

from benchmarks.versus.artifacts import TRACE, WRONG_FILES
from benchmarks.versus.brokers import Redis
from benchmarks.versus.models import estimators
from benchmarks.versus.rows import Seen, told, until
from benchmarks.versus.sides import FRONT_END, Person, Side

EXAMPLES = Path(__file__).parents[2] / "examples"


class ForetellSide(Side):
    """See the module's head."""

    name = "Foretell"
    health, readiness = "/healthz", "/readyz"
    mails_take = 0.0

    def __init__(self, folder: Path, database_url: str, redis: Redis) -> None:
        super().__init__(database_url, redis)
        self.server = Server(
            folder / "data",
            database_url=database_url,
            signup="open",
            trusted_proxies="127.0.0.1",
            cors_origins=FRONT_END,
            default_model="binary",
            app="five_patterns.app:app",
        )
        self.server.environment["PYTHONPATH"] = str(EXAMPLES)
        self._key = ""
        self._empty = Seen("no answer", False)

    @property
    def url(self) -> str:
        return self.server.url

    @contextmanager
    def running(self) -> Iterator[Side]:
        with self._stack, self.server.start().running():
            self._key = self.server.make_admin()
            found = self._admin().get("/api/models")
            words = f"{found.status_code}, {len(found.json()['items'])} models"
            self._empty = Seen(f"serves: {words}", found.status_code == 200)
            for kind, estimator in estimators().items():
                self._add_model(kind, pickle.dumps(estimator)).raise_for_status()
                shared = {"visibility": "everyone"}
                path = f"/api/models/{kind}"
                self._admin().patch(path, json=shared).raise_for_status()
            yield self

    def api_process(self) -> int:
        assert self.server.process is not None
        return self.server.process.pid

    def predict(self, kind: str, body: dict[str, Any]) -> httpx2.Response:
        named = body if kind == "binary" else {"model": kind, **body}
        return self.ask(self.signed_in(), "POST", "/api/predict", json=named)

    def credential(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    def replace_model(self, content: bytes) -> None:
        self._add_model("binary", content).raise_for_status()

    def start_with(self, number: str) -> Seen:
        if number not in WRONG_FILES:
            return self._empty
        name = number.lower()
        answer = self._add_model(name, WRONG_FILES[number]())
        ran = list(self.server.data_dir.parent.rglob(TRACE))
        is_refused = answer.status_code in (415, 422)
        return Seen(f"serves; upload {told(answer)}"[:46], is_refused and not ran)

    def restart(self) -> float:
        started = time.monotonic()
        self.server.stop()
        seconds = time.monotonic() - started
        self.server.start()
        return seconds

    def mails(self, person: Person) -> int:
        outbox = self.server.data_dir / "outbox"
        return sum(person.email in p.read_text() for p in outbox.glob("*.eml"))

    @contextmanager
    def without_worker(self) -> Iterator[None]:
        workers = self._workers()
        for process in workers:
            os.kill(process, signal.SIGSTOP)
        yield
        for process in workers:
            os.kill(process, signal.SIGCONT)

    def start_slow_job(self) -> str:
        body = {"task": "system.sleep", "args": {"seconds": 2}}
        made = self._admin().post("/api/jobs", json=body)
        job: str = made.headers["location"]
        assert until(lambda: self._state(job) == "running", 10)
        return job

    def is_done(self, job: str) -> bool:
        return self._state(job) == "succeeded"

    def kill_worker(self) -> None:
        for process in self._workers():
            os.kill(process, signal.SIGKILL)

    def _workers(self) -> list[int]:
        return [p for p in descendants(self.api_process()) if is_worker(p)]

    def _state(self, job: str) -> str:
        state: str = self._admin().get(job).json()["state"]
        return state

    def _admin(self) -> httpx2.Client:
        return self.with_token(self._key)

    def _add_model(self, name: str, content: bytes) -> httpx2.Response:
        return self._admin().post(
            f"/api/models/{name}/versions",
            files={"artifact": ("model.pkl", content)},
            headers={"Prefer": "wait=50"},
            timeout=60,
        )
