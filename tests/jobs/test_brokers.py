"""Servers whose broker is frozen, killed, restarted or not there at all."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.processes import finish
from tests.brokers import RedisServer, running_worker, until
from tests.served import COMMAND, Server, free_environment

EXECUTORS = ("celery", "rq", "dramatiq")
Client = httpx2.Client


def submit(client: Client, count: int = 1) -> list[str]:
    """Paths of new jobs; each must be accepted at once."""
    paths = []
    for number in range(count):
        body = {"task": "system.echo", "args": {"value": number}}
        answer = client.post("/api/jobs", json=body, timeout=5)
        assert answer.status_code == 202, answer.text
        paths.append(f"/api/jobs/{answer.json()['id']}")
    return paths


def finished_once(client: Client, paths: list[str]) -> None:
    for path in paths:
        assert finish(client, path)["state"] == "succeeded"
        tries = client.get(f"{path}/attempts").json()["items"]
        assert [one["outcome"] for one in tries] == ["succeeded"]


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_frozen_broker_stops_nobody(executor: str, tmp_path: Path) -> None:
    with RedisServer() as redis:
        server = Server(tmp_path / "data", executor=executor, broker_url=redis.url)
        with server.start().running(), server.client(server.make_admin()) as admin:
            finished_once(admin, submit(admin))
            redis.freeze()
            paths = submit(admin, 3)
            for _ in range(20):
                assert admin.get("/healthz", timeout=5).status_code == 200
            ready = admin.get("/readyz").json()
            assert ready["status"] == "degraded"
            assert ready["parts"]["broker"]["ok"] is False
            redis.thaw()
            finished_once(admin, [*paths, *submit(admin)])
            until(lambda: admin.get("/readyz").json()["status"] == "ok")
            redis.freeze()
            submit(admin)
            assert server.stop(signal.SIGTERM, seconds=10) == 0


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_ids_that_a_broker_forgot_are_sent_again(executor: str, tmp_path: Path) -> None:
    with RedisServer() as redis:
        server = Server(tmp_path / "data", executor=executor, broker_url=redis.url)
        server.start("--no-worker")
        with server.running(), server.client(server.make_admin()) as admin:
            paths = submit(admin, 5)
            until(redis.holds_keys)
            redis.kill()
            paths += submit(admin, 2)
            redis.start()
            with running_worker(server):
                finished_once(admin, [*paths, *submit(admin, 2)])


def test_a_missing_library_is_named_with_what_to_install(tmp_path: Path) -> None:
    """Python is told that there is no Celery, as where the extra is not installed."""
    code = "import sys; sys.modules['celery'] = None; import foretell.cli.main as m; "
    environment = free_environment(
        tmp_path / "data", executor="celery", broker_url="redis://127.0.0.1:1/0"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}m.main()", "serve"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'foretell[celery]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"executor": "celry"}, "Did you mean celery?"),
        ({"executor": "rq"}, "FORETELL_BROKER_URL: EXECUTOR=rq needs one"),
        (
            {"executor": "rq", "broker_url": "amqp://guest@127.0.0.1"},
            "FORETELL_BROKER_URL: rq takes redis, rediss; this is amqp",
        ),
    ],
)
def test_a_wrong_choice_is_refused_at_start(
    settings: dict[str, str], words: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [*COMMAND, "serve"],
        env=free_environment(tmp_path / "data", **settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
