"""Foretell below a path of a Flask application, as servers of WSGI call it."""

import time

import pytest
from flask import Flask, session

from foretell.app import create_app
from foretell.extension.definition import Extension
from foretell.http.routing import public
from foretell.mount import HostUser, mount_in_flask


@pytest.fixture
def ended():
    """What has come to its end."""
    return []


@pytest.fixture
def extension(ended):
    found = Extension("tools")

    @found.router.get("/endless", dependencies=[public])
    async def endless():
        from starlette.responses import StreamingResponse

        async def pieces():
            try:
                while True:
                    yield b"x" * 1000
            finally:
                ended.append(True)

        return StreamingResponse(pieces())

    return found


@pytest.fixture
def site(settings, extension):
    site = Flask(__name__)
    site.secret_key = "of a test"

    @site.get("/hello")
    def hello():
        session["email"] = "ada@example.org"
        return "Flask"

    def user():
        email = session.get("email")
        return HostUser(f"flask:{email}", email) if email else None

    app = create_app(settings, extensions=[extension], with_worker=False)
    mount = mount_in_flask(site, app, users=user)
    yield site
    mount.end()


@pytest.fixture
def client(site):
    return site.test_client()


def test_both_answer_below_their_paths(client):
    assert client.get("/hello").text == "Flask"
    assert client.get("/ft/healthz").json == {"status": "ok"}
    refused = client.get("/ft/api/nope")
    assert (refused.status_code, refused.json["instance"]) == (404, "/ft/api/nope")
    assert client.get("/ftx").status_code == 404
    slash = client.get("/ft")
    assert (slash.status_code, slash.headers["location"]) == (307, "/ft/")
    assert client.get("/ft/openapi.json").json["servers"] == [{"url": "/ft"}]
    assert client.get("/ft/readyz").json["parts"]["database"]["ok"] is True


def test_flasks_session_says_who_calls(client):
    assert client.get("/ft/api/me").status_code == 401
    client.get("/hello")
    me = client.get("/ft/api/me").json
    assert (me["email"], me["method"]) == ("ada@example.org", "host")
    key = {"name": "mine", "scopes": ["models:predict"]}
    assert client.post("/ft/api/keys", json=key).status_code == 403
    made = client.post(
        "/ft/api/keys", json=key, headers={"X-CSRF-Token": me["csrf_token"]}
    )
    assert made.status_code == 201


def test_what_wsgi_cannot_carry_is_refused(client):
    chunks = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    chunked = client.post("/ft/token", environ_overrides=chunks)
    assert chunked.status_code == 411
    assert chunked.json["type"].endswith("/length-required")
    odd = client.get("/hello", environ_overrides={"PATH_INFO": "/ft/\xff"})
    assert odd.status_code == 422
    odd = client.get(
        "/hello", environ_overrides={"PATH_INFO": "/ft/", "QUERY_STRING": "\xff"}
    )
    assert odd.status_code == 422


def test_a_body_arrives_whole(client):
    form = {"grant_type": "password", "username": "a" * 200_000, "password": "b"}
    answer = client.post("/ft/token", data=form)
    assert answer.status_code in (400, 413, 422)


def test_who_goes_away_ends_the_work(client, ended):
    answer = client.get("/ft/api/ext/tools/endless", buffered=False)
    assert len(next(iter(answer.response))) == 1000
    answer.close()
    deadline = time.monotonic() + 10
    while not ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended


def test_after_its_end_it_says_so(site, client):
    assert client.get("/ft/healthz").status_code == 200
    site.wsgi_app.end()
    stopped = client.get("/ft/healthz")
    assert stopped.status_code == 503
    assert stopped.json["type"].endswith("/still-starting")
    assert client.get("/hello").status_code == 200


def test_a_start_that_fails_is_told(settings):
    empty = settings.model_copy(update={"database_url": None})
    settings.data_dir.mkdir()
    site = Flask(__name__)
    app = create_app(empty, with_worker=False, with_migration=False)
    mount = mount_in_flask(site, app)
    try:
        answer = site.test_client().get("/ft/healthz")
        assert answer.status_code == 503
        assert "log says why" in answer.text
    finally:
        mount.end()
