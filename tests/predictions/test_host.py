"""The model host: one sandboxed process a version, started again after its end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import orjson
import pytest

from foretell.core.scratch import Scratch
from foretell.models import importing
from foretell.models.serving import ServedVersion
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.predictions import host
from foretell.predictions.errors import (
    ModelHostEnded,
    ModelNotLoaded,
    PredictionTimedOut,
    RowsInvalid,
)
from foretell.predictions.host import ModelHosts
from foretell.predictions.host_messages import Reply
from foretell.sandbox.pool import Sandbox
from tests.models.application import IRIS, ROW, Trained

BODY = orjson.dumps({"rows": [ROW]})


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[ModelHosts]:
    async with Sandbox(preload=[*importing.PRELOAD, *host.PRELOAD]) as sandbox:
        made = ModelHosts(
            sandbox,
            FileBlobStore(tmp_path / "blobs"),
            Scratch(tmp_path / "work"),
            memory_bytes=2 << 30,
            allow=[],
            limit=1,
        )
        yield made
        await made.close()
    assert list((tmp_path / "work").glob("*")) == []


def version(tmp_path: Path, trained: Trained, version_id: str = "v") -> ServedVersion:
    """`trained` as a stored version that the pickle answers."""
    path = tmp_path / "blobs" / version_id
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(trained.artifact)
    result = trained.result
    return ServedVersion(
        id=version_id,
        model="iris",
        number=3,
        flavour=result.flavour,
        engine=result.engine,
        spec=result.spec,
        signature=result.signature,
        artifact_key=version_id,
        sha256=result.sha256,
        twin_key=None,
        twin_sha256=None,
        is_trusted=False,
        one_row_us=1.0,
        hundred_rows_us=1.0,
    )


def connection_of(hosts: ModelHosts) -> host.Connection:
    (running,) = hosts._hosts.values()
    assert running._connection is not None
    return running._connection


async def test_calls_side_by_side_each_get_their_own_answer(
    hosts: ModelHosts, tmp_path: Path, neighbours: Trained
):
    served = version(tmp_path, neighbours)
    rows = IRIS.data.to_dict("records")
    answers = await asyncio.gather(
        *(hosts.answer(served, orjson.dumps({"rows": [row]})) for row in rows)
    )
    found = [orjson.loads(body)["predictions"][0]["prediction"] for body, _ in answers]
    assert found == neighbours.estimator.predict(IRIS.data).tolist()


async def test_a_fault_of_the_body_comes_back_as_it_is(
    hosts: ModelHosts, tmp_path: Path, neighbours: Trained
):
    with pytest.raises(RowsInvalid) as caught:
        await hosts.answer(version(tmp_path, neighbours), b'{"features": [1]}')
    assert caught.value.errors[0].message == "Expected 4 values, got 1."


async def test_a_killed_process_fails_its_calls_and_is_started_again(
    hosts: ModelHosts, tmp_path: Path, neighbours: Trained, monkeypatch
):
    monkeypatch.setattr(host, "RESTART_SECONDS", 0.0)
    served = version(tmp_path, neighbours)
    first, _ = await hosts.answer(served, BODY)
    connection = connection_of(hosts)
    os.kill(connection._server.pid, signal.SIGSTOP)
    call = asyncio.create_task(hosts.answer(served, BODY))
    while not connection._waiting:
        await asyncio.sleep(0)
    os.kill(connection._server.pid, signal.SIGKILL)
    with pytest.raises(ModelHostEnded):
        await call
    again, _ = await hosts.answer(served, BODY)
    assert again == first
    assert connection_of(hosts) is not connection


async def test_a_call_that_takes_too_long_ends_the_process(
    hosts: ModelHosts, tmp_path: Path, neighbours: Trained, monkeypatch
):
    served = version(tmp_path, neighbours)
    await hosts.answer(served, BODY)
    monkeypatch.setattr(host, "CALL_SECONDS", 0.0)
    with pytest.raises(PredictionTimedOut):
        await hosts.answer(served, BODY)


async def test_a_file_that_changed_is_not_loaded(
    hosts: ModelHosts, tmp_path: Path, neighbours: Trained
):
    served = version(tmp_path, neighbours)
    (tmp_path / "blobs" / "v").write_bytes(neighbours.artifact + b"x")
    with pytest.raises(ModelNotLoaded, match="not the one that was inspected"):
        await hosts.answer(served, BODY)


async def test_the_version_unused_for_longest_makes_room(
    hosts: ModelHosts, tmp_path: Path, neighbours: Trained
):
    for name in ("a", "b"):
        await hosts.answer(version(tmp_path, neighbours, name), BODY)
    assert list(hosts._hosts) == ["b"]


def test_a_reply_travels_as_it_is():
    reply = Reply(7, b"{}", 2)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(reply), type=Reply) == reply
