"""examples/hosts, each under its real server: both applications answer, the host's users
are known, jobs run, and nothing is left when the server has ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from foretell.client import Client
from tests.models.application import dump
from tests.served import COMMAND, PASSWORD, Server, free_environment

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
ADA = "ada@example.org"
PYTHON = [sys.executable, "-m"]
HOSTS: dict[str, Sequence[str]] = {
    "FastAPI": [*PYTHON, "uvicorn", "hosts.fastapi_host:host", "--port", "PORT"],
    "Starlette": [*PYTHON, "uvicorn", "hosts.starlette_host:host", "--port", "PORT"],
    "Django": [
        *PYTHON,
        "uvicorn",
        "hosts.django_host.asgi:application",
        "--port",
        "PORT",
    ],
    "Flask": [
        *PYTHON,
        "gunicorn",
        "--config",
        "python:hosts.gunicorn_settings",
        "--bind",
        "127.0.0.1:PORT",
        "hosts.flask_host:site",
    ],
}


@dataclass(frozen=True, slots=True)
class Host:
    """One running host."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log: Path

    def key(self) -> str:
        """An API key of a new admin, made on the machine itself."""
        for arguments in (
            ["user", "create", "root@example.org", "--role", "admin"],
            ["key", "create", "--name", "t", "--user", "root@example.org", "--json"],
        ):
            done = subprocess.run(
                [*COMMAND, *arguments],
                env=self.environment,
                input=PASSWORD + "\n",
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr
        key: str = httpx2.Response(200, text=done.stdout).json()["key"]
        return key

    @contextmanager
    def ada(self) -> Iterator[httpx2.Client]:
        """A client of somebody who has signed in at the host."""
        auth = (ADA, "secret") if self.name == "Starlette" else None
        with httpx2.Client(base_url=self.url, timeout=60, auth=auth) as client:
            if self.name != "Starlette":
                self._sign_in(client)
            yield client

    def _sign_in(self, client: httpx2.Client) -> None:
        form = {"name": ADA, "password": "secret"}
        if self.name == "Django":
            # The page's own token; Django's CSRF protection is on.
            token = client.get("/hello").text.rpartition(" ")[2]
            form["csrfmiddlewaretoken"] = token
        answer = client.post("/sign-in", data=form)
        assert answer.status_code in (200, 204), answer.text
        if self.name == "FastAPI":
            client.headers["Authorization"] = f"Bearer {answer.json()}"


@pytest.fixture(scope="module", params=HOSTS)
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp(request.param.lower())
    with _hosted(request.param, folder) as found:
        yield found


@contextmanager
def _hosted(name: str, folder: Path) -> Iterator[Host]:
    environment = {
        **free_environment(folder / "data"),
        "PYTHONPATH": str(EXAMPLES),
        "HOST_PEOPLE": f"{ADA}=secret,bob@example.org=other",
        "HOST_SECRET": "of the hosts, in the tests, and of nobody else",
        "DJANGO_SECRET_KEY": "of the hosts, in the tests, and of nobody else",
        "DJANGO_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "hosts.django_host.settings",
    }
    if name == "Django":
        _prepare_django(environment)
    with _running(name, environment, folder) as found:
        yield found


def _prepare_django(environment: dict[str, str]) -> None:
    for arguments in (
        ["migrate", "--verbosity", "0"],
        ["createsuperuser", "--noinput", "--username", ADA, "--email", ADA],
    ):
        subprocess.run(
            [*PYTHON, "django", *arguments],
            env={**environment, "DJANGO_SUPERUSER_PASSWORD": "secret"},
            check=True,
            timeout=60,
        )


@contextmanager
def _running(name: str, environment: dict[str, str], folder: Path) -> Iterator[Host]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "host.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [word.replace("PORT", str(port)) for word in HOSTS[name]],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    host = Host(name, f"http://127.0.0.1:{port}", process, environment, log)
    try:
        _wait_for(host)
        yield host
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _wait_for(host: Host) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert host.process.poll() is None, host.log.read_text()
        try:
            if httpx2.get(f"{host.url}/ft/healthz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError(host.log.read_text())


@pytest.fixture(scope="module")
def admin(host: Host) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {host.key()}"}
    with httpx2.Client(base_url=host.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def model() -> bytes:
    data, labels = load_iris(return_X_y=True)
    return dump(LogisticRegression(max_iter=500).fit(data, labels))


def test_the_host_and_foretell_answer(host: Host) -> None:
    with httpx2.Client(base_url=host.url) as nobody:
        if host.name != "Starlette":
            assert host.name in nobody.get("/hello").text
        assert nobody.get("/nowhere").status_code == 404
        assert nobody.get("/ft/readyz").json()["parts"]["database"]["ok"]
        refused = nobody.get("/ft/api/me")
        assert refused.status_code == 401
        assert refused.json()["instance"] == "/ft/api/me"
        assert nobody.get("/ft", follow_redirects=True).status_code == 200
        assert "swagger" in nobody.get("/ft/docs").text
        assert nobody.get("/ft/static/docs.js").status_code == 200


def test_who_is_signed_in_at_the_host_is_a_caller(host: Host) -> None:
    with host.ada() as ada:
        assert host.name in ada.get("/hello").text
        me = ada.get("/ft/api/me").json()
        assert (me["email"], me["method"]) == (ADA, "host")
        assert me["role"] == ("admin" if host.name == "Django" else "viewer")
        key = {"name": "mine", "scopes": ["models:predict"]}
        plain = ada.post("/ft/api/keys", json=key)
        # A token of the host's is sent by a program; the others by any browser.
        assert plain.status_code == (201 if host.name == "FastAPI" else 403)
        sure = ada.post(
            "/ft/api/keys", json=key, headers={"X-CSRF-Token": me["csrf_token"]}
        )
        assert sure.status_code == 201
    if host.name == "Django":
        with host.ada() as ada:
            token = ada.get("/hello").text.rpartition(" ")[2]
            ada.post("/sign-out", data={"csrfmiddlewaretoken": token})
            assert ada.get("/ft/api/me").status_code == 401


def test_jobs_run_and_models_answer_below_the_prefix(
    host: Host, admin: httpx2.Client, model: bytes
) -> None:
    made = admin.post(
        "/ft/api/datasets?name=people",
        content=b"a,b\n1,2\n3,4\n",
        headers={"Prefer": "wait=50", "Content-Type": "application/octet-stream"},
    )
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/ft/api/datasets/people"
    assert admin.get(made.headers["location"]).json()["rows"] == 2
    taken = admin.post(
        "/ft/api/models/iris/versions",
        files={"artifact": ("iris.joblib", model)},
        headers={"Prefer": "wait=55"},
    )
    assert taken.status_code == 201, taken.text
    body = {"features": [5.1, 3.5, 1.4, 0.2]}
    answer = admin.post("/ft/api/models/iris/predict", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["prediction"] == 0
    assert admin.post("/ft/api/predict", json=body).json()["prediction"] == 0
    infer = admin.get("/ft/v2/models/iris")
    assert infer.json()["name"] == "iris"


def test_the_client_knows_the_way(host: Host, admin: httpx2.Client) -> None:
    key = admin.headers["authorization"].removeprefix("Bearer ")
    with Client(f"{host.url}/ft", key) as client:
        job = client.submit_job("system.echo", {"value": 5})
        assert client.wait_for_job(job["id"])["result"] == {"value": 5}


def test_a_stream_of_events_comes_as_it_happens(
    host: Host, admin: httpx2.Client
) -> None:
    job = admin.post(
        "/ft/api/jobs", json={"task": "system.echo", "args": {"value": 1}}
    ).json()
    with admin.stream("GET", f"/ft/api/jobs/{job['id']}/events") as events:
        text = "".join(events.iter_text())
    assert "succeeded" in text


@pytest.mark.parametrize("name", HOSTS)
def test_the_end_of_the_host_is_the_end_of_foretell(name: str, tmp_path: Path) -> None:
    with _hosted(name, tmp_path) as host:
        children = _children(host.process.pid)
        assert children
        host.process.send_signal(signal.SIGTERM)
        host.process.wait(20)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(_is_alive, children)):
        time.sleep(0.1)
    assert not [pid for pid in children if _is_alive(pid)]
    assert "Traceback" not in host.log.read_text()


def _children(pid: int) -> list[int]:
    """Processes below `pid`, theirs included."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *_children(int(child))]
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            for child in (task / "children").read_text().split():
                found += [int(child), *_children(int(child))]
    return found


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_an_aiohttp_application_asks_for_predictions(
    tmp_path: Path, model: bytes
) -> None:
    server = Server(tmp_path / "data").start()
    with server.running():
        key = server.make_admin()
        with Client(server.url, key) as client:
            (tmp_path / "iris.joblib").write_bytes(model)
            client.add_model("iris", tmp_path / "iris.joblib")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        caller = subprocess.Popen(
            [*PYTHON, "hosts.aiohttp_caller"],
            env={
                **os.environ,
                "PYTHONPATH": str(EXAMPLES),
                "FORETELL_URL": server.url,
                "FORETELL_API_KEY": key,
                "PORT": str(port),
            },
        )
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
                row = {f"x{n}": v for n, v in enumerate([5.1, 3.5, 1.4, 0.2])}
                answer = _when_there(client, {"rows": [row, row]})
                assert answer.status_code == 200, answer.text
                assert [s["prediction"] for s in answer.json()["scores"]] == [0, 0]
                assert (
                    client.post("/score/iris", json={"rows": [{}]}).status_code == 422
                )
                assert client.post("/score/none", json={"rows": []}).status_code == 422
                assert client.post("/score/iris", json=[]).status_code == 400
        finally:
            caller.terminate()
            caller.wait(10)


def _when_there(client: httpx2.Client, body: dict[str, object]) -> httpx2.Response:
    deadline = time.monotonic() + 30
    while True:
        try:
            return client.post("/score/iris", json=body)
        except httpx2.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
