"""Everything that Redis can be asked for is switched on, and Redis hangs."""

import signal
import time
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.processes import finish
from tests.brokers import RedisServer, until
from tests.served import Server

# What the benchmark measures as milliseconds (`make bench-responsive`) is here only
# told apart from waiting for Redis: a test shares its cores with others.
GENEROUS_SECONDS = 1.0


def submitted(client: httpx2.Client, value: int) -> str:
    body = {"task": "system.echo", "args": {"value": value}}
    answer = client.post("/api/jobs", json=body, timeout=5)
    assert answer.status_code == 202, answer.text
    return f"/api/jobs/{answer.json()['id']}"


def slowest(client: httpx2.Client, path: str, times: int = 50) -> float:
    worst = 0.0
    for _ in range(times):
        started = time.monotonic()
        assert client.get(path, timeout=10).status_code == 200
        worst = max(worst, time.monotonic() - started)
    return worst


@pytest.mark.slow
def test_a_frozen_redis_delays_nobody_and_its_jobs_run_once(tmp_path: Path) -> None:
    with RedisServer() as redis:
        server = Server(
            tmp_path / "data",
            executor="celery",
            redis_url=redis.url,
            rate_limit="100000/minute",
        )
        with server.start().running(), server.client(server.make_admin()) as admin:
            assert admin.get("/api/me").headers["ratelimit"]
            until(lambda: admin.get("/readyz").json()["status"] == "ok")
            redis.freeze()
            path = submitted(admin, 1)
            with server.client() as nobody:
                assert slowest(nobody, "/healthz") < GENEROUS_SECONDS
                assert slowest(nobody, "/api/version") < GENEROUS_SECONDS
            assert slowest(admin, "/api/me") < GENEROUS_SECONDS
            ready = admin.get("/readyz")
            assert ready.status_code == 200
            assert ready.json()["parts"]["redis"]["ok"] is False
            assert "foretell_shared_store_up 0.0" in admin.get("/metrics").text
            redis.thaw()
            assert finish(admin, path, 60)["state"] == "succeeded"
            tries = admin.get(f"{path}/attempts").json()["items"]
            assert [one["outcome"] for one in tries] == ["succeeded"]
            until(lambda: admin.get("/readyz").json()["status"] == "ok")
            redis.freeze()
            path = submitted(admin, 2)
            started = time.monotonic()
            assert server.stop(signal.SIGTERM, seconds=10) == 0
            assert time.monotonic() - started < 10
            redis.thaw()
            server.start()
            with admin_again(server, admin) as again:
                assert finish(again, path, 60)["state"] == "succeeded"
                tries = again.get(f"{path}/attempts").json()["items"]
            assert [one["outcome"] for one in tries][-1] == "succeeded"
            assert [one["outcome"] for one in tries].count("succeeded") == 1


def admin_again(server: Server, admin: httpx2.Client) -> httpx2.Client:
    """The same caller, after the server has started on another port."""
    return httpx2.Client(
        base_url=server.url,
        headers={"Authorization": admin.headers["authorization"]},
        timeout=60,
    )
