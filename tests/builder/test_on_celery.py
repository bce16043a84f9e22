"""A project made with `--jobs celery` hands its jobs to the broker, and runs them."""

import secrets
from pathlib import Path

import pytest

from tests.acceptance.processes import finish
from tests.brokers import RedisServer, running_worker, until
from tests.builder.test_generated import new
from tests.served import Server

pytestmark = pytest.mark.slow


def production_settings(folder: Path, **changed: str) -> dict[str, str]:
    """What `.env.production.example` says, filled in."""
    lines = (folder / ".env.production.example").read_text("utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    found = {name.removeprefix("FORETELL_").lower(): value for name, value in pairs}
    return {**found, **changed}


def test_its_jobs_go_through_the_broker_to_its_worker(tmp_path: Path) -> None:
    folder = new(tmp_path, "--minimal", "--jobs", "celery")
    with RedisServer() as redis:
        settings = production_settings(
            folder, secret_key=secrets.token_hex(32), broker_url=redis.url
        )
        assert settings["executor"] == "celery"
        server = Server(folder / "foretell-data", **settings).start("--no-worker")
        with server.running(), server.client(server.make_admin()) as admin:
            body = {"task": "system.echo", "args": {"value": 7}}
            job = admin.post("/api/jobs", json=body)
            assert job.status_code == 202
            until(redis.holds_keys)
            with running_worker(server):
                ended = finish(admin, job.headers["Location"])
            assert (ended["state"], ended["result"]) == ("succeeded", {"value": 7})
