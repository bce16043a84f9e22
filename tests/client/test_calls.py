"""What is sent, and what is sent again."""

from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from foretell.client.calls import (
    MAX_RETRIES,
    Call,
    Content,
    get,
    nothing,
    path,
    pause_before_retry,
    post,
)

READ = get("/api/x", nothing)
WRITE = Call("POST", "/api/x", nothing)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_refusal_of_a_read_is_tried_again(status: int) -> None:
    assert pause_before_retry(READ, 1, httpx2.Response(status)) is not None


@pytest.mark.parametrize("status", [200, 401, 404, 409, 422, 500])
def test_other_answers_count(status: int) -> None:
    assert pause_before_retry(READ, 1, httpx2.Response(status)) is None


def test_a_post_is_repeated_only_with_a_key() -> None:
    assert pause_before_retry(WRITE, 1, None) is None
    assert pause_before_retry(post("/api/x", nothing), 1, None) is not None


def test_every_post_has_a_key_of_its_own() -> None:
    keys = {post("/api/x", nothing).idempotency_key for _ in range(100)}
    assert len(keys) == 100


def test_pauses_grow_and_end() -> None:
    pauses = [pause_before_retry(READ, n, None) for n in range(1, MAX_RETRIES + 2)]
    assert pauses[:-1] == sorted(p for p in pauses if p is not None)
    assert pauses[-1] is None


@pytest.mark.parametrize(("asked", "pause"), [("2", 2.0), ("600", None), ("?", 0.1)])
def test_the_server_says_how_long(asked: str, pause: float | None) -> None:
    response = httpx2.Response(503, headers={"Retry-After": asked})
    assert pause_before_retry(READ, 1, response) == pause


def test_segments_of_an_address_are_quoted() -> None:
    assert (
        path("models", "a/../b", "versions", 3) == "/api/models/a%2F..%2Fb/versions/3"
    )


def test_parameters_without_a_value_are_not_sent() -> None:
    call = get("/api/x", nothing, a=None, b=True, c=["x", "y"], d=3)
    with ExitStack() as opened:
        assert call.arguments(opened)["params"] == {"b": "true", "c": "x,y", "d": 3}


def test_a_file_is_opened_anew_for_each_try(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"x\n1\n")
    call = post("/api/x", nothing, files={"file": Content("a.csv", file)})
    for _ in range(2):
        with ExitStack() as opened:
            name, stream = call.arguments(opened)["files"]["file"]
            assert (name, stream.read()) == ("a.csv", b"x\n1\n")
        assert stream.closed
