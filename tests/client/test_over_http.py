"""The client against a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from foretell.client import AsyncClient, Client
from foretell.client.errors import JobCancelled, WaitedTooLong
from foretell.client.jobs import succeeded
from foretell.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from tests.conftest import Callers
from tests.served import unique

TABLE = {"zip": ["007", None, "42"], "n": [1, 2, 3], "x": [0.5, None, 2.0]}


@pytest.fixture
def client(callers: Callers) -> Iterator[Client]:
    with Client(callers.server.url, _key(callers.editor)) as found:
        yield found


def test_the_caller_is_told_who_they_are(client: Client) -> None:
    me = client.me()
    assert me["role"] == "editor"
    assert "datasets:write" in me["scopes"]


def test_a_frame_comes_back_as_it_went(client: Client) -> None:
    name = unique("frame")
    made = client.add_dataset(name, pl.DataFrame(TABLE), timeout_seconds=60)
    assert (made["rows"], made["rejects"]) == (3, 0)
    assert client.dataset(name).to_polars().to_dict(as_series=False) == TABLE
    assert pa.table(TABLE).equals(client.dataset(name).to_arrow().cast(_SCHEMA))
    frame = client.dataset(name).to_pandas(where="n > 1", select=["n", "x"])
    pd.testing.assert_frame_equal(
        frame, pd.DataFrame({"n": [2, 3], "x": [None, 2.0]}), check_dtype=False
    )


def test_rows_are_added_as_the_next_version(client: Client) -> None:
    name = unique("growing")
    client.add_dataset(name, b"a\n1\n2\n")
    grown = client.add_version(name, b"a\n3\n", mode="append")
    assert (grown["version"], grown["rows"]) == (2, 3)
    rows = client.read_rows(name, sort="-a", limit=2)
    assert rows["items"] == [{"a": 3}, {"a": 2}]
    assert client.read_rows(name, cursor=rows["next"])["items"] == [{"a": 1}]


def test_a_dry_run_stores_nothing(client: Client) -> None:
    name = unique("dry")
    found = client.try_import(b"a;b\n1;2\n", filename=f"{name}.csv")
    assert found["source"]["delimiter"] == ";"
    with pytest.raises(NotFound) as caught:
        client.get_dataset(name)
    assert caught.value.slug == "dataset-not-found"
    assert caught.value.context["request_id"]


def test_figures_differences_and_sql_come_as_plain_values(
    client: Client, tmp_path: Path
) -> None:
    name = unique("figures")
    client.add_dataset(name, b"g,x\na,1\na,2\nb,3\nb,4,5\n")
    client.add_version(name, b"g,x\nc,5\n", mode="append")
    groups = client.aggregate_rows(
        name, by="g", measures=["count", "sum(x)"], version=1
    )
    assert groups == {
        "items": [
            {"g": "a", "count": 2, "sum(x)": 3},
            {"g": "b", "count": 1, "sum(x)": 3},
        ],
        "groups": 2,
    }
    assert client.diff_versions(name, 1, 2)["rows"]["added"] == 1
    assert client.read_rows(name, seek=1, limit=1)["items"] == [{"g": "c", "x": 5}]
    answer = client.query(f'SELECT max(x) FROM "{name}"', limit=1)  # noqa: S608
    assert (answer["rows"], answer["truncated"]) == ([[5]], False)
    with pytest.raises(Invalid, match="SELECT"):
        client.query("DROP VIEW x")
    file = client.download_rejects(name, tmp_path / "rejects.csv", version=1)
    assert "b,4,5" in file.read_text()


def test_a_download_is_the_file(client: Client, tmp_path: Path) -> None:
    name = unique("down")
    client.add_dataset(name, b"a,b\n1,x\n")
    file = client.download_dataset(name, tmp_path / "out.csv", format="csv")
    assert file.read_text().split() == ["a,b", "1,x"]
    with pytest.raises(NotFound):
        client.download_dataset("no-such", tmp_path / "no.csv")


def test_refusals_are_the_errors_of_their_kind(
    client: Client, callers: Callers
) -> None:
    with pytest.raises(Invalid) as caught:
        client.submit_job("system.sleep", {"seconds": "long"})
    assert caught.value.errors
    with pytest.raises(Forbidden):
        client.list_users()
    with (
        Client(callers.server.url, "ftl_wrong") as stranger,
        pytest.raises(Unauthenticated),
    ):
        stranger.me()


def test_a_job_is_followed_to_its_end(client: Client) -> None:
    seen: list[str] = []
    job = client.submit_job("system.echo", {"value": 42})
    ended = client.wait_for_job(
        job["id"], on_event=lambda event: seen.append(event["kind"]), timeout_seconds=30
    )
    assert (ended["state"], ended["result"]) == ("succeeded", {"value": 42})
    assert "state" in seen
    with pytest.raises(Conflict):
        client.retry_job(job["id"])


def test_a_cancelled_job_is_an_error_to_who_needs_its_result(client: Client) -> None:
    job = client.submit_job("system.sleep", {"seconds": 60})
    client.cancel_job(job["id"])
    with pytest.raises(JobCancelled):
        client.run(succeeded(job, None, 30))


def test_waiting_ends_when_the_caller_says(client: Client) -> None:
    job = client.submit_job("system.echo", {"value": 1}, run_at="2999-01-01T00:00:00Z")
    with pytest.raises(WaitedTooLong, match=job["id"]):
        client.wait_for_job(job["id"], timeout_seconds=0.1)
    client.cancel_job(job["id"])


def test_the_asynchronous_client_does_the_same(callers: Callers) -> None:
    async def run() -> None:
        key = _key(callers.editor)
        async with AsyncClient(callers.server.url, key) as client:
            name = unique("awaited")
            made = await client.add_dataset(name, pl.DataFrame(TABLE))
            assert made["rows"] == 3
            frame = await client.dataset(name).to_polars()
            assert frame.to_dict(as_series=False) == TABLE
            assert (await client.count_rows(name, "n > 1"))["count"] == 2
            with pytest.raises(NotFound):
                await client.get_dataset("no-such")

    asyncio.run(run())


_SCHEMA = pa.table(TABLE).schema


def _key(client: httpx2.Client) -> str:
    return str(client.headers["authorization"].removeprefix("Bearer "))
