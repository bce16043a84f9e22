"""Checklist G: whose objects are whose.

The lines that hold for every operation (F02, G01, G02, G03, G04, G05, G08, G10) are
proven for each one of the API document in acceptance/test_matrix.py.
"""

import subprocess
import time
from pathlib import Path

import pytest

from tests.security.clocked import Clocked
from tests.served import COMMAND, free_environment, unique

OPEN_ROUTE = """
from foretell import Extension, create_app
from foretell.http.routing import router

shop = Extension("shop")
routes = router("/api/ext/shop")

@routes.get("/open")
async def read() -> dict[str, str]:
    return {}

app = create_app(extensions=[shop])
app.include_router(routes)
"""


def test_g06_a_route_without_a_policy_keeps_the_server_from_starting(
    tmp_path: Path,
) -> None:
    (tmp_path / "bad_shop.py").write_text(OPEN_ROUTE)
    done = subprocess.run(
        [*COMMAND, "serve", "--app", "bad_shop:app", "--port", "0"],
        env=free_environment(tmp_path / "data"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "/open: declare dependencies=[requires(...)] or [public]" in done.stderr


def test_g07_a_new_role_acts_within_a_second(server: Clocked) -> None:
    person = server.person("editor")
    path = f"/api/users/{person.id}"
    job = {"task": "system.echo", "args": {"value": 1}}
    with server.signed_in(person.email) as client:
        assert client.post("/api/jobs", json=job).status_code == 202
        started = time.perf_counter()
        assert server.admin.patch(path, json={"role": "viewer"}).status_code == 200
        assert client.post("/api/jobs", json=job).status_code == 403
        assert time.perf_counter() - started < 1
        assert server.admin.patch(path, json={"role": "editor"}).status_code == 200
        assert client.post("/api/jobs", json=job).status_code == 202


@pytest.mark.parametrize(
    "header",
    ["X-User-Id", "X-Tenant-Id", "X-Forwarded-User", "Remote-User", "X-Account-Id"],
)
def test_g09_nobody_says_in_a_request_who_they_are(
    server: Clocked, header: str
) -> None:
    mine, theirs = server.person("editor"), server.person("editor")
    name = unique("recipe")
    recipe = {"checks": [{"check": "not_null", "column": "a"}]}
    with server.signed_in(mine.email) as me, server.signed_in(theirs.email) as them:
        assert me.put(f"/api/recipes/{name}", json=recipe).status_code == 201
        forged = {header: mine.id}
        read = them.get(f"/api/recipes/{name}", headers=forged)
        assert read.status_code == 404
        assert them.get("/api/me", headers=forged).json()["id"] == theirs.id
        params = {"user_id": mine.id, "owner_id": mine.id}
        listed = them.get("/api/recipes", params=params, headers=forged)
        assert name not in listed.text
