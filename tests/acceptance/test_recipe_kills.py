"""Kill what runs a recipe: the run ends once, or fails with a reason; never half."""

import io
import os
import signal
import time

import polars as pl
import pytest

from tests.acceptance.processes import command, descendants, finish, is_worker, parent
from tests.served import Server, upload

ROWS = 1_000_000
# A sort and a window look at the whole table, so there is time to be killed in.
STEPS = [
    {"step": "case", "columns": ["s"], "to": "upper"},
    {"step": "derive", "column": "z", "expression": "n * 2 + 1"},
    {"step": "sort", "by": ["-k", "s", "n"]},
    {"step": "window", "function": "row_number", "by": ["k"], "into": "place"},
    {"step": "filter", "where": "n >= 10"},
]


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data").start()
    with server.running():
        yield server


@pytest.fixture
def client(server):
    with server.client(server.make_admin()) as client:
        frame = pl.select(n=pl.int_range(ROWS)).with_columns(
            k=(pl.col("n") * 7_919) % 1_000,
            s=pl.format("straße {}", (pl.col("n") * 31) % 99_991),
        )
        body = io.BytesIO()
        frame.write_parquet(body)
        made = upload(client, "big", body.getvalue(), filename="big.parquet")
        assert made.status_code == 201, made.text
        recipe = client.put("/api/recipes/shape", json={"steps": STEPS})
        assert recipe.status_code == 201, recipe.text
        yield client


def start(client):
    body = {"recipe": "shape", "output": "out"}
    answer = client.post("/api/datasets/big/runs", json=body)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def running(server, client, job, is_wanted, *, after=0):
    """A process of the run that is wanted, once the run has read something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.get(job).json()
        assert found["state"] in ("queued", "running"), found
        if found["state"] == "running" and found["progress"]["done"]:
            family = descendants(server.process.pid)
            wanted = [pid for pid in family if is_wanted(pid) and pid != after]
            if wanted:
                return wanted[0]
        time.sleep(0.005)
    raise AssertionError("the run never started")


def is_run(pid):
    """A forked child has the command of its zygote, which is a child of a worker."""
    above = parent(pid)
    return "sandbox.zygote" in command(above) and is_worker(parent(above))


def the_output_is_whole(client):
    versions = client.get("/api/datasets/out/versions").json()["items"]
    assert [version["rows"] for version in versions] == [ROWS - 10]
    first = client.get("/api/datasets/out/rows", params={"limit": 2}).json()["items"]
    assert [(row["k"], row["place"]) for row in first] == [(999, 1), (999, 2)]
    sums = client.get(
        "/api/datasets/out/aggregate", params={"measures": "count,sum(n),distinct(n)"}
    ).json()["items"]
    whole = ROWS * (ROWS - 1) // 2 - 45
    expected = {"count": ROWS - 10, "sum(n)": whole, "distinct(n)": ROWS - 10}
    assert sums == [expected]


@pytest.mark.slow
def test_a_run_survives_its_worker_and_makes_one_version(server, client):
    job = start(client)
    worker = running(server, client, job, is_worker)
    os.kill(worker, signal.SIGKILL)
    done = finish(client, job)
    assert (done["state"], done["attempt"]) == ("succeeded", 1), done
    the_output_is_whole(client)
    assert client.get("/api/datasets/big").json()["version"] == 1


@pytest.mark.slow
def test_a_run_whose_child_is_killed_fails_with_a_reason_and_can_be_run_again(
    server, client
):
    job = start(client)
    os.kill(running(server, client, job, is_run), signal.SIGKILL)
    done = finish(client, job)
    if done["state"] == "failed":
        assert "SIGKILL" in str(done["error"]), done
        assert client.get("/api/datasets/out").status_code == 404
        done = finish(client, start(client))
    assert done["state"] == "succeeded", done
    the_output_is_whole(client)
    left = [path for path in (server.data_dir / "work").iterdir() if path.is_dir()]
    assert left == []
