"""Heavy questions beside light ones as a caller sees them."""

import io
import os
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from tests.acceptance.processes import command, descendants
from tests.served import Server, resident_bytes, upload

ROWS = 2_500_000
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server whose readers get little memory, with a table of many keys."""
    folder = tmp_path_factory.mktemp("lanes")
    server = Server(folder / "data", reader_memory="192MiB").start()
    with server.running():
        key = server.make_admin()
        frame = pl.select(n=pl.int_range(ROWS)).with_columns(
            token=((pl.col("n") * 2_654_435_761) % (2**40)).cast(pl.String)
        )
        body = io.BytesIO()
        frame.write_parquet(body)
        with server.client(key) as client:
            made = upload(client, "big", body.getvalue(), filename="big.parquet")
            assert made.status_code == 201, made.text
            yield server, client, key


def group_by_everything(client):
    asked = {"by": "n,token", "measures": "count,mean(n)"}
    return client.get("/api/datasets/big/aggregate", params=asked)


@pytest.mark.slow
def test_too_many_groups_are_refused_by_the_limit_and_the_server_lives(served):
    server, client, _ = served
    pid = server.process.pid
    client.get("/api/datasets/big/rows")
    before = resident_bytes(pid)
    answer = group_by_everything(client)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["type"].endswith("/question-too-large")
    assert problem["limit_bytes"] == 192 * MEBIBYTE
    assert "192 MiB" in problem["detail"]
    assert resident_bytes(pid) - before < 100 * MEBIBYTE
    counted = client.get("/api/datasets/big/aggregate", params={"where": "n < 9"})
    assert counted.json()["items"] == [{"count": 9}]
    assert server.process.poll() is None


@pytest.mark.slow
def test_a_value_of_an_unsorted_column_is_found_by_its_filter(served):
    server, client, _ = served
    wanted = 2_000_001
    token = str(wanted * 2_654_435_761 % 2**40)
    params = {"where": f"token = '{token}'", "select": "n"}
    url = "/api/datasets/big/rows"
    assert client.get(url, params=params).json()["items"] == [{"n": wanted}]
    folder: Path = server.data_dir / "blobs" / "datasets"
    deadline = time.monotonic() + 60
    while len(list(folder.rglob("*.parquet.*.keys-*"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get(url, params=params).json()["items"] == [{"n": wanted}]
    missing = {"where": "token = 'nobody has this one'"}
    assert client.get(url, params=missing).json()["items"] == []
    counted = client.get("/api/datasets/big/count", params={"where": params["where"]})
    assert counted.json() == {"count": 1, "exact": True}


def readers(server):
    return {
        pid
        for pid in descendants(server.process.pid)
        if "sandbox.zygote" in command(pid)
        and os.getpriority(os.PRIO_PROCESS, pid) == 10
    }


@pytest.mark.slow
def test_the_reader_of_a_caller_who_goes_away_is_ended(served):
    server, _, key = served
    at = urlsplit(server.url)
    lines = [
        "GET /api/datasets/big/profile?where=n%3E%3D0 HTTP/1.1",
        f"Host: {at.netloc}",
        f"Authorization: Bearer {key}",
    ]
    with socket.create_connection((at.hostname, at.port)) as caller:
        caller.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        deadline = time.monotonic() + 30
        while not any(_is_at_work(pid) for pid in readers(server)):
            assert time.monotonic() < deadline
        asked = readers(server)
    gone = "499 GET /api/datasets/{name}/profile"
    while asked <= readers(server) or gone not in server.log.read_text():
        assert time.monotonic() < deadline, "the reader works for nobody"
        time.sleep(0.02)


def _is_at_work(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "R"
