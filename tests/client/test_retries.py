"""Both clients against servers that answer late, or not at all."""

import asyncio
from collections.abc import Callable, Iterator

import httpx2
import pytest

from foretell.client import AsyncClient, Client
from foretell.client.errors import ServerUnreachable
from foretell.errors import Conflict, Unavailable

URL, KEY = "http://server.invalid", "ftl_x"
Answer = httpx2.Response | Exception


def answering(*answers: Answer) -> tuple[httpx2.MockTransport, list[httpx2.Request]]:
    """A server that gives these answers, the last one for ever."""
    seen: list[httpx2.Request] = []
    left: Iterator[Answer] = iter(answers)
    last = answers[-1]

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        answer = next(left, last)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx2.MockTransport(handle), seen


def call_both(
    answers: Callable[[], tuple[Answer, ...]],
) -> Iterator[tuple[object, list[httpx2.Request]]]:
    """Make a key with either client; gives the result or the error."""
    transport, seen = answering(*answers())
    with Client(URL, KEY, transport=transport) as client:
        try:
            yield client.create_key("x", ["jobs:read"]), seen
        except Exception as error:
            yield error, seen
    transport, seen = answering(*answers())

    async def run() -> object:
        async with AsyncClient(URL, KEY, transport=transport) as client:
            return await client.create_key("x", ["jobs:read"])

    try:
        yield asyncio.run(run()), seen
    except Exception as error:
        yield error, seen


def test_a_post_is_repeated_under_the_same_key() -> None:
    def answers() -> tuple[Answer, ...]:
        busy = httpx2.Response(503, headers={"Retry-After": "0"})
        return httpx2.ConnectError("no"), busy, httpx2.Response(201, json={"id": "1"})

    for result, seen in call_both(answers):
        assert result == {"id": "1"}
        assert len(seen) == 3
        assert len({request.headers["idempotency-key"] for request in seen}) == 1


def test_a_refusal_is_not_repeated() -> None:
    for result, seen in call_both(lambda: (httpx2.Response(409, json={}),)):
        assert isinstance(result, Conflict)
        assert len(seen) == 1


def test_a_server_that_stays_away_is_named() -> None:
    for result, seen in call_both(lambda: (httpx2.ConnectError("no"),)):
        assert isinstance(result, ServerUnreachable)
        assert URL in result.detail
        assert len(seen) > 1


def test_a_refusal_for_minutes_is_the_callers_to_wait_for() -> None:
    def answers() -> tuple[Answer, ...]:
        return (httpx2.Response(503, json={}, headers={"Retry-After": "120"}),)

    for result, seen in call_both(answers):
        assert isinstance(result, Unavailable)
        assert result.retry_after_seconds == 120
        assert len(seen) == 1


@pytest.mark.parametrize("stream_status", [200, 404, 503])
def test_a_job_is_waited_for_without_a_stream_too(stream_status: int) -> None:
    job = {"id": "7", "state": "running", "progress": None}
    states = iter(["running", "succeeded"])

    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/events"):
            return httpx2.Response(stream_status, text="")
        return httpx2.Response(200, json={**job, "state": next(states)})

    with Client(URL, KEY, transport=httpx2.MockTransport(handle)) as client:
        assert client.wait_for_job("7")["state"] == "succeeded"


def test_a_broken_stream_goes_on_after_the_last_event() -> None:
    asked: list[str | None] = []
    states = iter(["running", "succeeded"])

    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/events"):
            asked.append(request.headers.get("last-event-id"))
            number = len(asked)
            body = f'event: progress\nid: {number}\ndata: {{"n": {number}}}\n\n'
            return httpx2.Response(
                200, text=body, headers={"Content-Type": "text/event-stream"}
            )
        return httpx2.Response(200, json={"id": "7", "state": next(states)})

    seen: list[object] = []
    with Client(URL, KEY, transport=httpx2.MockTransport(handle)) as client:
        client.wait_for_job("7", on_event=lambda event: seen.append(event["data"]))
    assert asked == [None, "1"]
    assert seen == [{"n": 1}, {"n": 2}]
