"""Servers and models that the acceptance tests share."""

import json
import os
import pickle
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from tests.conftest import Callers
from tests.models.application import dump
from tests.served import PASSWORD, Server, unique

IRIS = load_iris(as_frame=True)
NAMES = [str(name) for name in IRIS.data]
ROW = dict(zip(NAMES, (float(x) for x in IRIS.data.iloc[0]), strict=True))
LARGEST_UPLOAD = 1_000_000


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that strangers may sign up at, where any warning is an error.

    It believes `X-Forwarded-For`, so that each test is counted apart by the
    throttle, takes small uploads only, and its mail server is away.
    """
    server = Server(
        tmp_path_factory.mktemp("open") / "data",
        signup="open",
        cors_origins="https://app.example.org",
        trusted_proxies="127.0.0.1",
        max_upload_bytes=str(LARGEST_UPLOAD),
        smtp_url="smtp://127.0.0.1:9",
        log_format="json",
    )
    server.environment["PYTHONWARNINGS"] = "error"
    with server.start().running():
        yield server


def first_admin(server: Server) -> str:
    """A key of the admin that the printed setup code makes; no command is run."""
    code = re.search(r"Setup code: (\S+)", server.log.read_text("utf-8"))
    assert code is not None
    who = {"email": "admin@example.org", "password": PASSWORD}
    with server.client() as nobody:
        body = {"code": code[1], "name": "Admin", **who}
        assert nobody.post("/api/setup", json=body).status_code == 201
        form = {"username": who["email"], "password": PASSWORD}
        answer = nobody.post("/token", data={"grant_type": "password", **form})
    with server.client(answer.json()["access_token"]) as admin:
        scopes = admin.get("/api/me").json()["scopes"]
        made = admin.post("/api/keys", json={"name": "test", "scopes": scopes})
    key: str = made.json()["key"]
    return key


@pytest.fixture(scope="session")
def open_admin(open_server: Server) -> Iterator[httpx2.Client]:
    with open_server.client(first_admin(open_server)) as client:
        yield client


@pytest.fixture
def stranger(open_server: Server) -> Iterator[httpx2.Client]:
    """Somebody without a credential, at an address of their own."""
    address = "10." + ".".join(str(byte) for byte in os.urandom(3))
    headers = {"X-Forwarded-For": address}
    with open_server.client(**headers) as client:
        yield client


@pytest.fixture(scope="session")
def idle_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a worker."""
    server = Server(tmp_path_factory.mktemp("idle") / "data")
    with server.start("--no-worker").running():
        yield server


@pytest.fixture(scope="session")
def idle_key(idle_server: Server) -> str:
    """A key of that server's admin; a key outlives the server's restart."""
    return first_admin(idle_server)


def upload_model(
    client: httpx2.Client,
    name: str,
    content: bytes,
    filename: str = "model.joblib",
    **metadata: Any,
) -> httpx2.Response:
    """POST a version and wait until it is published or refused."""
    return client.post(
        f"/api/models/{name}/versions",
        files={"artifact": (filename, content)},
        data={"metadata": json.dumps(metadata)},
        headers={"Prefer": "wait=50"},
    )


def estimators() -> dict[str, Any]:
    """One fitted estimator of each kind that answers in its own way."""
    values, species = IRIS.data, IRIS.target_names[IRIS.target]
    late = (IRIS.target > 1).astype(int)
    return {
        "flowers": LogisticRegression(max_iter=500).fit(values, species),
        "binary": LogisticRegression(max_iter=500).fit(values.to_numpy(), late),
        "price": LinearRegression().fit(values, values[NAMES[0]] * 2.5),
        "margin": SVC().fit(values.to_numpy(), late),
    }


@pytest.fixture(scope="session")
def models(callers: Callers) -> dict[str, str]:
    """Names of published models of the editor's, by kind."""
    names = {}
    for kind, estimator in estimators().items():
        names[kind] = unique(kind)
        # One of them compressed, one a plain pickle.
        content = dump(estimator)
        if kind == "price":
            content = pickle.dumps(estimator)
        made = upload_model(callers.editor, names[kind], content)
        assert made.status_code == 201, made.text
    return names
