"""Served, and worked on the command line: every process has the same extensions."""

import json
from pathlib import Path

import pytest

from tests.extension.project import Project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def migrated(project: Project) -> Project:
    project.run("db", "revision", "-m", "tills")
    project.run("db", "upgrade")
    return project


def opens_a_till(project: Project, *arguments: str) -> None:
    server = project.server.start(*arguments)
    with server.running(), server.client(server.make_admin()) as admin:
        answer = admin.post(
            "/api/ext/shop/tills/t1", headers={"Prefer": "wait=30"}
        ).json()
        assert admin.get("/api/ext/shop/tills").json() == ["t1"], answer
        job = admin.get("/api/jobs?task=shop.open_till").json()["items"][0]
    assert job["state"] == "succeeded"
    assert "tills:open" in job["result"]["scopes"]
    assert server.process is not None
    assert job["result"]["pid"] != server.process.pid


@pytest.mark.parametrize("arguments", [(), ("--workers", "2"), ("--reload",)])
def test_own_tasks_run_in_workers_however_it_is_served(migrated, arguments):
    opens_a_till(migrated, *arguments)


def test_serving_without_a_migration_is_refused_with_the_next_command(project):
    shown = project.run("serve", "--port", "0", fails=True)
    assert "foretell db revision --extension shop -m" in shown
    assert "foretell db upgrade" in shown
    assert "Traceback" not in shown


def test_the_command_line_sees_the_extension(migrated):
    shown = json.loads(migrated.run("openapi", "--local"))
    assert "/api/ext/shop/tills/{name}" in shown["paths"]
    assert "shop (shop.extension)" in migrated.run("doctor")
    assert migrated.run("db", "check") == "the schema is current\n"
    migrated.run("db", "downgrade", "shop@base")
    assert "shop_0001" in migrated.run("db", "check", fails=True)
    wrong = migrated.run("db", "revision", "-m", "x", "--extension", "nix", fails=True)
    assert "there are: shop" in wrong
    assert "'nix.app'" in migrated.run(
        "db", "check", "--app", "nix.app:app", fails=True
    )


def test_an_extension_that_no_worker_can_find_is_refused(project):
    project.write(
        "shop/app.py",
        "from foretell import Extension, create_app\n"
        "def make():\n"
        "    return create_app(extensions=[Extension('hidden')])\n"
        "app = make()\n",
    )
    shown = project.run("serve", "--port", "0", fails=True)
    assert "cannot find the extension 'hidden'" in shown
