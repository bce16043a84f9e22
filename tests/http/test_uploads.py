"""Uploads: any order of parts, limits while they arrive, nothing left behind."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from foretell.errors import OutOfSpace
from foretell.http import uploads
from foretell.http.dependencies import State
from foretell.http.edge import Edge
from foretell.http.routing import body_limit, public, router
from foretell.http.uploads import Limit

FORM = uploads.Form(files=("file", "example"), texts=("options",))
routes = router("/api/up")
ADMIN = {"authorization": "Bearer admin"}


@routes.post("", dependencies=[public, body_limit("max_upload_bytes")])
async def take(request: Request, state: State) -> dict[str, object]:
    folder = state.settings.data_dir / "incoming"
    raw = True if "name" in request.query_params else None
    async with uploads.receive(
        request, folder, FORM, limit=Limit.of_server(3_000_000), raw=raw
    ) as upload:
        file = upload.file("file")
        content = file.path.read_bytes()
        return {
            "filename": file.filename,
            "bytes": file.bytes,
            "sha256": file.sha256,
            "true_sha256": hashlib.sha256(content).hexdigest(),
            "texts": upload.texts,
            "files": sorted(upload.files),
        }


@pytest.fixture
async def up(app: Edge) -> AsyncIterator[httpx2.AsyncClient]:
    app.include_router(routes)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://testserver"
    ) as client:
        yield client


def form(*parts: bytes, boundary: bytes = b"XX", end: bool = True) -> dict[str, object]:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    if end:
        body += b"--" + boundary + b"--\r\n"
    kind = "multipart/form-data; boundary=" + boundary.decode()
    return {"content": body, "headers": {"content-type": kind}}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"'
    return head.encode() + b"\r\n\r\n" + content


async def test_a_form_is_received_whatever_the_order_of_its_parts(up, tmp_path: Path):
    content = b"\r\n--X" * 500_000
    parts = [part("options", b'{"a": 1}'), part("file", content, "a.csv")]
    for order in (parts, parts[::-1]):
        answer = (await up.post("/api/up", **form(*order))).json()
        assert answer["texts"] == {"options": '{"a": 1}'}
        assert answer["sha256"] == hashlib.sha256(content).hexdigest()
        assert answer["sha256"] == answer["true_sha256"]
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_a_raw_body_is_the_file_whatever_its_type(up):
    answer = await up.post(
        "/api/up?name=sales.csv&options={}",
        content=b"a,b\n1,2\n",
        headers={"content-type": "application/json"},
    )
    assert answer.json()["filename"] == "sales.csv"
    assert answer.json()["bytes"] == 8
    assert answer.json()["texts"] == {"options": "{}"}


async def test_a_file_name_is_a_label_and_never_a_path(up):
    sent = part("file", b"x", "../../etc/\x01passwd")
    assert (await up.post("/api/up", **form(sent))).json()["filename"] == "passwd"


@pytest.mark.parametrize(
    ("request_of", "status", "slug"),
    [
        (form(part("file", b"x", "a")[:20]), 422, "upload-malformed"),
        (form(part("file", b"x", "a"), end=False), 422, "upload-malformed"),
        (form(b"X: y\r\n\r\nz"), 422, "upload-malformed"),
        (form(part("other", b"x")), 422, "invalid"),
        (form(part("file", b"x", "a"), part("file", b"y", "a")), 422, "invalid"),
        (form(part("options", b"{}")), 422, "invalid"),
        (form(part("options", b"\xff")), 422, "upload-malformed"),
        (form(part("options", b"x" * 1_100_000)), 413, "too-large"),
        (form(part("file", b"x" * 3_000_001, "a")), 413, "too-large"),
        (
            {"content": b"", "headers": {"content-type": "multipart/form-data"}},
            422,
            "upload-malformed",
        ),
    ],
)
async def test_a_bad_form_is_refused_and_leaves_nothing(
    up, tmp_path: Path, request_of, status: int, slug: str
):
    answer = await up.post("/api/up", **request_of)
    assert answer.status_code == status
    assert answer.json()["type"].endswith("/" + slug)
    assert not list((tmp_path / "incoming").glob("*"))


async def test_a_cut_connection_leaves_no_file(app: Edge, tmp_path: Path):
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": b"x" * 600_000, "more_body": True},
        {"type": "http.disconnect"},
    ]
    request = Request(
        {"type": "http", "headers": [], "query_string": b"", "app": app, "path": "/"},
        receive=lambda: asyncio.sleep(0, messages.pop(0)),
    )
    with pytest.raises(uploads.UploadMalformed):
        async with uploads.receive(
            request, tmp_path / "in", FORM, limit=Limit.of_server(10**9)
        ):
            pass
    assert list((tmp_path / "in").iterdir()) == []


async def test_an_almost_full_disk_refuses_the_upload(up, monkeypatch):
    monkeypatch.setattr(uploads, "FREE_FRACTION", 1.0)
    monkeypatch.setattr(uploads, "FREE_BYTES", float("inf"))
    answer = await up.post("/api/up?name=a", content=b"x")
    assert answer.status_code == 507
    assert answer.json()["type"].endswith(OutOfSpace.slug)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(1, 40), min_size=1))
async def test_any_bytes_in_any_pieces_arrive_as_sent(
    app: Edge, tmp_path: Path, content: bytes, cuts: list[int]
):
    sent = form(part("file", content, "a"), boundary=b"Bq8zK1")
    body = sent["content"]
    assert isinstance(body, bytes)
    pieces: list[bytes] = []
    while body:
        cut = cuts[len(pieces) % len(cuts)]
        pieces.append(body[:cut])
        body = body[cut:]
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": p, "more_body": i < len(pieces) - 1}
        for i, p in enumerate(pieces)
    ]
    headers = [(b"content-type", b"multipart/form-data; boundary=Bq8zK1")]
    request = Request(
        {
            "type": "http",
            "headers": headers,
            "query_string": b"",
            "app": app,
            "path": "/",
        },
        receive=lambda: asyncio.sleep(0, messages.pop(0)),
    )
    with patch.object(uploads, "PIECE_BYTES", 1):
        async with uploads.receive(
            request, tmp_path, FORM, limit=Limit.of_server(9999)
        ) as upload:
            assert upload.file("file").path.read_bytes() == content
