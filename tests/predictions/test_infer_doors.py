"""The fast path and the FastAPI routes infer the same, byte for byte."""

import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from foretell.http.metrics import Metrics
from tests.models.application import ROW, Running, Trained
from tests.predictions.test_doors import asked, close_fast_path
from tests.predictions.test_inference_protocol import FAULTS, LENGTH, tensor

INFER = "/v2/models/iris/infer"
FIRST = "/v2/models/iris/versions/1/infer"
RAW = struct.pack("<4d", *ROW.values())
BINARY = {"shape": [1, 4], "data": None, "parameters": {"binary_data_size": 32}}
WANTED = [
    {"name": "probabilities", "parameters": {"binary_data": True}},
    {"name": "prediction"},
]
JSON = {"content-type": "application/json"}


def whole(*parts: bytes, **members: Any) -> tuple[bytes, dict[str, str]]:
    head = json.dumps(members).encode()
    return b"".join([head, *parts]), {LENGTH: str(len(head))}


def plain(**members: Any) -> bytes:
    return json.dumps({"inputs": [tensor()], **members}).encode()


Asked = tuple[str, bytes, dict[str, str], int]
REQUESTS: list[Asked] = [
    (INFER, plain(), JSON, 200),
    (INFER, plain(id="7"), {}, 200),
    (INFER, plain(outputs=WANTED[1:]), {"x-routing-key": "ann"}, 200),
    (INFER, plain(outputs=WANTED), JSON, 200),
    (INFER, plain(parameters={"binary_data_output": True}), JSON, 200),
    (INFER, *whole(RAW, inputs=[tensor(**BINARY)]), 200),
    (FIRST, *whole(RAW, inputs=[tensor(**BINARY)], outputs=WANTED), 200),
    (INFER, plain(), {LENGTH: "3"}, 422),
    (INFER, plain(), {LENGTH: "x"}, 422),
    (INFER, *whole(RAW[:-1], inputs=[tensor(**BINARY)]), 422),
    (FIRST, plain(), JSON, 200),
    (f"{INFER}?version=9", plain(), JSON, 200),
    ("/v2/models/iris/versions/latest/infer", plain(), JSON, 200),
    ("/v2/models/iris/versions/9/infer", b"no json", JSON, 404),
    ("/v2/models/iris/versions/nope/infer", plain(), JSON, 404),
    ("/v2/models/iris/versions//infer", plain(), JSON, 404),
    ("/v2/models/iris/versions/infer", plain(), JSON, 405),
    ("/v2/models/iris/versions/1/2/infer", plain(), JSON, 404),
    ("/v2/models/iris/other/1/infer", plain(), JSON, 404),
    ("/v2/models/iris/infer/", plain(), JSON, 404),
    ("/v2/models//infer", plain(), JSON, 404),
    ("/v2/models/infer", plain(), JSON, 405),
    ("/v2/models/none/infer", b"no json", JSON, 404),
    ("/v2/models/N%20O/infer", plain(), JSON, 404),
    ("/v2/models/a%2Fb/infer", plain(), JSON, 404),
    (INFER, b"", JSON, 422),
    (INFER, b"[" * 90_000, JSON, 422),
    (INFER, b" " * (32 * 1024 * 1024 + 1), JSON, 413),
    *[
        (INFER, body if isinstance(body, bytes) else json.dumps(body).encode(), {}, s)
        for body, s, _ in FAULTS
    ],
]


@pytest.fixture
async def published(running: Running, logreg: Trained) -> Running:
    await running.publish("iris", logreg)
    return running


async def test_both_doors_infer_every_request_the_same(published: Running) -> None:
    doors = []
    for _ in range(2):
        doors.append(
            [
                await asked(published, path, content, headers)
                for path, content, headers, _ in REQUESTS
            ]
        )
        close_fast_path(published.app)
    for request, at_fast, at_slow in zip(REQUESTS, *doors, strict=True):
        assert at_fast[0] == request[3], (request[:1], at_fast)
        assert at_fast == at_slow, (request[0], request[1][:200])


async def test_both_doors_refuse_whom_they_do_not_know_the_same(
    published: Running,
) -> None:
    doors = []
    for _ in range(2):
        found = []
        for credential in ("", "Bearer nope", "Bearer ftl_x_y"):
            stranger = {"Authorization": credential}
            found.append(await asked(published, INFER, b"no json", stranger))
        for scopes in (["models:read"], ["models:predict:other"]):
            async with await published.client_with(scopes) as narrow:
                answer = await narrow.post(INFER, content=b"no json")
                challenge = answer.headers.get("www-authenticate")
                found.append((answer.status_code, answer.content, challenge))
        other = await published.other.post(INFER, content=plain())
        found.append((other.status_code, other.content, None))
        doors.append(found)
        close_fast_path(published.app)
    assert doors[0] == doors[1]
    assert [status for status, *_ in doors[0]] == [401, 401, 401, 403, 403, 404]


async def test_a_body_without_a_length_is_counted_at_both_doors(
    published: Running,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b" " * 1024 * 1024

    for _ in range(2):
        answer = await published.client.post(INFER, content=pieces())
        assert answer.status_code == 413
        assert answer.json().keys() == {"error"}
        close_fast_path(published.app)


async def test_an_inference_does_not_pass_fastapi(
    published: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted under its address all the same."""

    async def handle(*_: object) -> None:
        raise AssertionError("FastAPI was asked")

    monkeypatch.setattr(published.app, "handle", handle)
    for path in (INFER, FIRST):
        answer = await published.client.post(path, content=plain())
        assert answer.status_code == 200, answer.text
    text = published.state.port(Metrics).render().decode()
    for route in (
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}/infer",
    ):
        assert f'route="{route}"' in text


async def test_a_repeated_inference_steps_aside(published: Running) -> None:
    headers = {"Idempotency-Key": "one-and-the-same-key"}
    first, second = [
        await published.client.post(INFER, content=plain(), headers=headers)
        for _ in range(2)
    ]
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
