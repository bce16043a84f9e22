"""Batches of several shards through a server: kills, cancellation, faults.

`TEST_BATCH_ROWS=2000000` makes it large; CI runs a slice.
"""

import io
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2
import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from tests.acceptance.processes import descendants, finish, is_worker
from tests.models.application import IRIS, dump
from tests.served import Server, upload

pytestmark = pytest.mark.slow
ROWS = int(os.environ.get("TEST_BATCH_ROWS", "200000"))
KILLS = 3
SHARD_ROWS = 32_768
SHARDS = -(-ROWS // SHARD_ROWS)
NAMES = list(IRIS.data)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("batches") / "data").start()
    with made.running():
        yield made


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx2.Client]:
    """An admin's, with a model and two datasets; row 100,001 of one has a hole."""
    with server.client(server.make_admin()) as admin:
        chance = np.random.default_rng(7)
        table = pl.DataFrame(chance.uniform(0, 8, (ROWS, 4)), schema=NAMES)
        table = table.with_columns(id=pl.int_range(ROWS))
        _add(admin, "rows", table)
        hole = pl.when(pl.col("id") == 100_000).then(None).otherwise(pl.col(NAMES[2]))
        _add(admin, "holes", table.with_columns(hole.alias(NAMES[2])))
        for name, model in (
            ("forest", RandomForestRegressor(60, random_state=0)),
            ("line", LinearRegression()),
        ):
            content = dump(model.fit(IRIS.data, IRIS.target))
            answer = admin.post(
                f"/api/models/{name}/versions",
                files={"artifact": ("m.joblib", content)},
                headers={"Prefer": "wait=55"},
            )
            assert answer.status_code == 201, answer.text
        yield admin


def _add(client: httpx2.Client, name: str, table: pl.DataFrame) -> None:
    content = io.BytesIO()
    table.write_parquet(content)
    made = upload(client, name, content.getvalue(), filename=f"{name}.parquet")
    assert made.status_code == 201, made.text


def start(
    client: httpx2.Client, output: str, model: str = "forest", **body: Any
) -> str:
    whole = {"dataset": "rows", "output": output, "include_inputs": True, **body}
    answer = client.post(f"/api/models/{model}/batch", json=whole)
    assert answer.status_code == 202, answer.text
    return f"/api/jobs/{answer.json()['id']}"


def rows_of(client: httpx2.Client, name: str) -> pl.DataFrame:
    answer = client.get(f"/api/datasets/{name}/download?format=parquet")
    assert answer.status_code == 200, answer.text
    return pl.read_parquet(io.BytesIO(answer.content))


def shards_of(client: httpx2.Client, job: str) -> list[dict[str, Any]]:
    path = f"/api/jobs?parent_id={job.rpartition('/')[2]}&limit=1000"
    found: list[dict[str, Any]] = client.get(path).json()["items"]
    return sorted(found, key=lambda one: one["args"]["start"])


def outcomes(client: httpx2.Client, job_id: str) -> list[str]:
    attempts = client.get(f"/api/jobs/{job_id}/attempts").json()["items"]
    return [attempt["outcome"] for attempt in attempts]


def test_killed_workers_redo_no_finished_shard_and_the_rows_are_the_same(
    server: Server, client: httpx2.Client
) -> None:
    whole = finish(client, start(client, "whole", shard_rows=10**9))
    assert whole["state"] == "succeeded", whole
    assert shards_of(client, f"/api/jobs/{whole['id']}") == []
    job = start(client, "sharded", shard_rows=SHARD_ROWS)
    assert server.process is not None
    chance = random.Random(4)  # noqa: S311 - whom to kill, not a secret
    kills, shown = 0, Counter[int]()
    deadline = time.monotonic() + 300
    while (found := client.get(job).json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, found
        progress = found["progress"]
        if progress["total"] == SHARDS:
            shown[progress["done"]] += 1
        states = [one["state"] for one in shards_of(client, job)]
        due = kills < KILLS and states.count("succeeded") >= kills
        if due and "running" in states:
            workers = [p for p in descendants(server.process.pid) if is_worker(p)]
            with suppress(ProcessLookupError, IndexError):
                os.kill(chance.choice(workers), signal.SIGKILL)
                kills += 1
        time.sleep(0.05)
    assert found["state"] == "succeeded", found
    assert kills == KILLS
    assert len(shown) > 1, "the progress never moved"
    shards = shards_of(client, job)
    assert len(shards) == SHARDS
    tries = [outcomes(client, one["id"]) for one in shards]
    assert all(one.count("succeeded") == 1 for one in tries), tries
    assert sum(len(one) - 1 for one in tries) <= KILLS, tries
    expected, made = (rows_of(client, name) for name in ("whole", "sharded"))
    assert made["id"].to_list() == list(range(ROWS))
    assert made.equals(expected)
    column = [frame["prediction"].to_numpy() for frame in (made, expected)]
    assert column[0].tobytes() == column[1].tobytes()
    lineage = client.get("/api/datasets/sharded").json()["lineage"]
    assert (lineage["model"], lineage["dataset_version"]) == ("forest", 1)


def test_the_versions_of_the_beginning_are_those_of_the_end(
    client: httpx2.Client,
) -> None:
    """A name that means another version meanwhile changes nothing for the shards."""
    _add(client, "moving", rows_of(client, "rows"))
    job = start(client, "moved", dataset="moving", shard_rows=SHARD_ROWS)
    while not shards_of(client, job):
        assert client.get(job).json()["state"] in ("queued", "running")
        time.sleep(0.02)
    content = io.BytesIO()
    rows_of(client, "rows").head(10).write_parquet(content)
    path = "/api/datasets/moving/versions"
    made = upload(client, "x", content.getvalue(), path=path, filename="f.parquet")
    assert made.status_code == 201, made.text
    done = finish(client, job)
    assert done["state"] == "succeeded", done
    found = client.get("/api/datasets/moved").json()
    assert (found["rows"], found["lineage"]["dataset_version"]) == (ROWS, 1)


def test_a_cancelled_batch_leaves_no_dataset_and_no_running_shard(
    client: httpx2.Client,
) -> None:
    job = start(client, "cancelled", shard_rows=SHARD_ROWS)
    while not shards_of(client, job):
        assert client.get(job).json()["state"] in ("queued", "running")
        time.sleep(0.02)
    assert client.post(f"{job}/cancel").status_code in (200, 202)
    assert finish(client, job)["state"] == "cancelled"
    for one in shards_of(client, job):
        assert finish(client, f"/api/jobs/{one['id']}")["state"] in (
            "cancelled",
            "succeeded",
        )
    assert client.get("/api/datasets/cancelled").status_code == 404


def test_a_row_that_does_not_fit_is_named_by_its_number_in_the_dataset(
    client: httpx2.Client,
) -> None:
    job = start(client, "never", "line", dataset="holes", shard_rows=SHARD_ROWS)
    failed = finish(client, job)
    assert failed["state"] == "failed"
    assert failed["error"]["type"].endswith("/job-shards-failed")
    assert "Row 100,001" in failed["error"]["detail"], json.dumps(failed["error"])
    assert failed["error"]["first"]["column"] == NAMES[2]
    assert client.get("/api/datasets/never").status_code == 404
