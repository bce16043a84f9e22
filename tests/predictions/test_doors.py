"""The fast path and the FastAPI routes answer the same, byte for byte."""

import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from foretell.http.edge import Edge
from tests.models.application import ROW, Running, Trained

ONE = "/api/models/iris/predict"
ANY = "/api/predict"
NAMES = list(ROW)
JSON = "application/json"


def body(**members: Any) -> bytes:
    return json.dumps(members).encode()


def row(**changed: Any) -> bytes:
    renamed = {name.replace("_", " "): value for name, value in changed.items()}
    return body(rows=[{**ROW, **renamed}])


def without(name: str) -> bytes:
    return body(rows=[{n: v for n, v in ROW.items() if n != name}])


def array(values: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.array(values))
    return sink.getvalue()


NPY = "application/x-npy"
REQUESTS: list[tuple[str, bytes, str | None, int]] = [
    (ONE, row(), JSON, 200),
    (ONE, body(rows=[]), JSON, 200),
    (ONE, body(rows=[ROW] * 300), JSON, 200),
    (ONE, body(features=list(ROW.values())), JSON, 200),
    (ONE, row(), "application/json; charset=utf-8", 200),
    (ANY, row(), JSON, 200),
    (ANY, body(model="iris", rows=[ROW]), JSON, 200),
    (ANY, body(model="iris", rows=[ROW, ROW]), JSON, 200),
    (f"{ONE}?version=1", row(), JSON, 200),
    (f"{ONE}?version=latest&other=x", row(), JSON, 200),
    (f"{ONE}?version=7", row(), JSON, 404),
    (f"{ONE}?version=nope", b"not json", JSON, 404),
    ("/api/models/none/predict", b"not json", JSON, 404),
    ("/api/models/N%20O/predict", row(), JSON, 404),
    (ANY, body(model="none", rows=[]), JSON, 404),
    (ANY, body(model=5, rows=[]), JSON, 422),
    (ANY, b"[", JSON, 422),
    (ONE, without(NAMES[0]), JSON, 422),
    (ONE, row(extra=1), JSON, 422),
    (ONE, body(rows=[{**ROW, NAMES[1]: "wide"}]), JSON, 422),
    (ONE, body(rows=[{**ROW, NAMES[1]: "1.5"}]), JSON, 422),
    (ONE, body(rows=[{**ROW, NAMES[1]: None}]), JSON, 422),
    (ONE, body(rows=[{**ROW, NAMES[1]: True}]), JSON, 422),
    (ONE, row().replace(b"5.1", b"NaN"), JSON, 422),
    (ONE, row().replace(b"5.1", b"1e400"), JSON, 422),
    (ONE, body(features=[1.0] * 29), JSON, 422),
    (ONE, body(features=[]), JSON, 422),
    (ONE, body(rows=[ROW], more=1), JSON, 422),
    (ONE, b"not json", JSON, 422),
    (ONE, b"", JSON, 422),
    (ONE, b"[" * 90_000, JSON, 422),
    (ONE, row(), None, 415),
    (ONE, row(), "text/plain", 415),
    (ONE, row(), "application/x-www-form-urlencoded", 415),
    (ONE, array([list(ROW.values())]), NPY, 200),
    (ANY, array([list(ROW.values())] * 2), NPY, 200),
    (ONE, array([[1.0]]), NPY, 422),
    (ONE, array([["a"] * 4]), NPY, 422),
    (f"{ONE}?version=7", b"no array", NPY, 404),
    (ONE, b" " * (32 * 1024 * 1024 + 1), JSON, 413),
]


@pytest.fixture
async def published(running: Running, logreg: Trained) -> Running:
    await running.publish("iris", logreg)
    return running


async def ask(running: Running, request: tuple[str, bytes, str | None, int]) -> Any:
    path, content, kind, _ = request
    headers = {} if kind is None else {"content-type": kind}
    return await asked(running, path, content, headers)


async def asked(running: Running, path: str, content: Any, headers: Any) -> Any:
    answer = await running.client.post(path, content=content, headers=headers)
    # `vary` is the compression's, which the fast path leaves out.
    own = ("x-request-id", "content-length", "vary")
    kept = {k: v for k, v in answer.headers.items() if k not in own}
    text = re.sub(rb'"request_id":"[^"]*"', b"", answer.content)
    return answer.status_code, kept, text


def close_fast_path(app: Edge) -> None:
    """An override of the user's makes the fast path step aside."""
    app.dependency_overrides[close_fast_path] = lambda: None


async def test_both_doors_answer_every_request_the_same(published: Running):
    fast = [await ask(published, request) for request in REQUESTS]
    close_fast_path(published.app)
    slow = [await ask(published, request) for request in REQUESTS]
    for request, at_fast, at_slow in zip(REQUESTS, fast, slow, strict=True):
        assert at_fast[0] == request[3], (request[:1], at_fast)
        assert at_fast == at_slow, request[:1]


async def test_both_doors_refuse_strangers_the_same(published: Running):
    answers = []
    for _ in range(2):
        for credential in ("", "Bearer nope", "Bearer ftl_x_y"):
            published.client.headers["Authorization"] = credential
            answers.append(await ask(published, (ONE, b"not json", JSON, 401)))
        close_fast_path(published.app)
    assert [status for status, _, _ in answers] == [401] * 6
    assert answers[:3] == answers[3:]


async def test_both_doors_refuse_a_missing_scope_the_same(published: Running):
    answers = []
    for _ in range(2):
        for scopes in (["models:read"], ["models:predict:other"]):
            async with await published.client_with(scopes) as narrow:
                answer = await narrow.post(ONE, content=b"not json")
                document = answer.json() | {"request_id": ""}
                challenge = answer.headers.get("www-authenticate")
                answers.append((answer.status_code, document, challenge))
        close_fast_path(published.app)
    assert [answer[0] for answer in answers] == [403, 415, 403, 415]
    assert answers[:2] == answers[2:]


async def test_a_body_without_a_length_is_counted_at_both_doors(published: Running):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b" " * 1024 * 1024

    headers = {"content-type": JSON}
    for _ in range(2):
        answer = await published.client.post(ONE, content=pieces(), headers=headers)
        assert answer.status_code == 413
        close_fast_path(published.app)


@pytest.mark.parametrize(
    "accept", [NPY, f"{NPY}; output=probabilities", f"{NPY};output=x"]
)
async def test_both_doors_answer_with_the_same_array(published: Running, accept: str):
    published.client.headers["accept"] = accept
    status = 422 if accept.endswith("x") else 200
    requests = [(path, row(), JSON, status) for path in (ONE, ANY)]
    fast = [await ask(published, request) for request in requests]
    close_fast_path(published.app)
    slow = [await ask(published, request) for request in requests]
    assert fast == slow
    assert [answer[0] for answer in fast] == [status] * 2
