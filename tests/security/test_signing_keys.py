"""Checklist D: keys that sign tokens come and go, and secrets that nobody guesses."""

import subprocess
import threading
import time
from pathlib import Path

import jwt
import pytest

from foretell.auth.service import cli_principal
from tests.security.clocked import Client, Clocked
from tests.served import COMMAND, free_environment

CALLERS = 4


def kid_of(token: str) -> str:
    found: str = jwt.get_unverified_header(token)["kid"]
    return found


def rotate(server: Clocked) -> str:
    """Add a key and wait until it signs."""
    kid = server.run(server.identity.rotate_signing_key(cli_principal()))
    server.clock.advance(minutes=3)
    return kid


@pytest.mark.slow
def test_d01_a_rotation_under_load_refuses_nobody(server: Clocked) -> None:
    email = server.person().email
    old = server.sign_in(email)["access_token"]
    tokens, statuses, stop = [old], [], threading.Event()

    def ask() -> None:
        with server.client() as client:
            while not stop.is_set():
                for token in tuple(tokens):
                    headers = {"Authorization": f"Bearer {token}"}
                    answer = client.get("/api/me", headers=headers)
                    statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        kid = rotate(server)
        fresh = server.sign_in(email)["access_token"]
        assert kid_of(fresh) == kid
        tokens.append(fresh)
        # A busy machine answers fewer a second; what counts is that many were asked.
        wanted, until = len(statuses) + 100, time.monotonic() + 60
        while len(statuses) < wanted and time.monotonic() < until:
            threading.Event().wait(0.05)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert len({kid_of(token) for token in tokens}) == 3
    assert len(statuses) > 200
    assert set(statuses) == {200}


def test_d01_two_keys_verify_side_by_side(server: Clocked, visitor: Client) -> None:
    email = server.person().email
    before = server.sign_in(email)["access_token"]
    kid = rotate(server)
    after = server.sign_in(email)["access_token"]
    assert (kid_of(after), kid_of(before) != kid) == (kid, True)
    keys = visitor.get("/.well-known/jwks.json").json()["keys"]
    assert {kid_of(before), kid} <= {key["kid"] for key in keys}
    for token in (before, after):
        with server.client(token) as client:
            assert client.get("/api/me").status_code == 200


def test_d02_tokens_of_a_removed_key_are_refused_at_once(server: Clocked) -> None:
    token = server.sign_in(server.person().email)["access_token"]
    with server.client(token) as client:
        assert client.get("/api/me").status_code == 200
        started = time.perf_counter()
        remove = server.identity.remove_signing_key(kid_of(token), cli_principal())
        server.run(remove)
        assert client.get("/api/me").status_code == 401
        assert time.perf_counter() - started < 1


def test_d03_the_key_set_shows_public_parts_alone(visitor: Client) -> None:
    answer = visitor.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    for key in answer.json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


GUESSABLE = {
    "known": "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "short": "k8Zq1x",
    "placeholder": "change-me-change-me-change-me-4711",
    "one character": "k" * 48,
    "repeated": "0123456789abcdef" * 3,
}


@pytest.mark.parametrize("secret", GUESSABLE.values(), ids=GUESSABLE)
def test_d04_production_does_not_start_with_a_guessable_secret(
    tmp_path: Path, secret: str
) -> None:
    environment = free_environment(
        tmp_path / "data", env="production", secret_key=secret, port="0"
    )
    done = subprocess.run(
        [*COMMAND, "serve"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "FORETELL_SECRET_KEY" in done.stderr
    assert secret not in done.stdout + done.stderr
    assert not (tmp_path / "data" / "foretell.db").exists()


def test_d04_production_does_not_start_without_a_secret(tmp_path: Path) -> None:
    environment = free_environment(tmp_path / "data", env="production")
    done = subprocess.run(
        [*COMMAND, "serve"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "openssl rand" in done.stderr) == (2, True)
