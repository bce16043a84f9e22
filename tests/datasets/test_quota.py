"""What one user may keep, and how long source files stay."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from foretell.core.quota import StorageQuota
from foretell.datasets.composing import source_files
from foretell.datasets.tables import StoredSource
from foretell.settings import Settings
from foretell.testing import (
    anonymous,
    app,
    client,
    clock,
    database_url,
    extensions,
    foretell_blank,
    run_jobs,
    sign_in,
)
from foretell.testing import settings as usual_settings

__all__ = [
    "anonymous",
    "app",
    "client",
    "clock",
    "database_url",
    "extensions",
    "foretell_blank",
    "run_jobs",
    "sign_in",
    "usual_settings",
]

MIB = 1024**2


@pytest.fixture
def settings(usual_settings: Settings) -> Settings:
    return usual_settings.model_copy(update={"user_quota_bytes": MIB})


def rows(count: int, seed: int = 0) -> bytes:
    """A table whose Parquet file is about as large as its text."""
    lines = (f"{hash((seed, n)) & 0xFFFFFFFFFFFFFF:014x}" for n in range(count))
    return ("token\n" + "\n".join(lines) + "\n").encode()


async def send(client, path: str, body: bytes):
    return await client.post(
        f"/api/datasets{path}", content=body, headers={"Content-Type": "text/csv"}
    )


async def job_of(client, answer):
    return (await client.get(answer.headers["location"])).json()


def files_below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


async def used(app, client) -> int:
    state = app.state.foretell
    me = (await client.get("/api/users/me")).json()["id"]
    async with state.database.reading() as session:
        found: int = await state.port(StorageQuota).used(session, me)
    return found


async def test_a_file_larger_than_what_is_left_is_refused_while_it_arrives(
    client, run_jobs, settings
):
    answer = await send(client, "?name=big", b"x\n" + b"1\n" * MIB)
    assert answer.status_code == 507
    problem = answer.json()
    assert problem["type"].endswith("/quota-exceeded")
    assert (problem["used"], problem["limit"]) == (0, MIB)
    assert files_below(settings.data_dir / "incoming") == set()
    assert (await client.get("/api/datasets/big")).status_code == 404


async def test_what_an_import_makes_counts_and_a_version_too_many_leaves_nothing(
    app, client, run_jobs, settings
):
    await send(client, "?name=first", rows(20_000))
    await run_jobs()
    first = (await client.get("/api/datasets/first")).json()
    assert await used(app, client) == first["bytes"] + first["source"]["bytes"]
    before = files_below(settings.data_dir / "blobs/datasets")
    # The file itself fits in what is left, not with the rows that are made of it.
    answer = await send(client, "?name=second", rows(30_000, seed=1))
    assert answer.status_code == 202
    await run_jobs()
    job = await job_of(client, answer)
    assert job["state"] == "failed"
    assert job["error"]["type"].endswith("/quota-exceeded")
    assert files_below(settings.data_dir / "blobs/datasets") == before
    assert (await client.get("/api/datasets/second")).status_code == 404

    assert (await client.delete("/api/datasets/first")).status_code == 204
    assert await used(app, client) == 0
    answer = await send(client, "?name=second", rows(30_000, seed=1))
    await run_jobs()
    assert (await job_of(client, answer))["state"] == "succeeded"


async def test_rows_that_are_appended_count_once(app, client, run_jobs):
    await send(client, "?name=t", rows(1_000))
    await run_jobs()
    once = await used(app, client)
    for seed in range(1, 4):
        await send(client, "/t/versions?mode=append", rows(1_000, seed))
        await run_jobs()
    assert await used(app, client) == pytest.approx(4 * once, rel=0.1)


async def test_somebody_elses_files_are_not_counted(app, client, run_jobs, sign_in):
    await send(client, "?name=mine", rows(20_000))
    await run_jobs()
    other = await sign_in("editor")
    assert await used(app, other) == 0
    answer = await send(other, "?name=theirs", rows(20_000))
    assert answer.status_code == 202


async def age(app, days: int) -> None:
    state = app.state.foretell
    async with state.database.writing() as session:
        moment = state.clock.now() - timedelta(days=days)
        await session.execute(update(StoredSource).values(used_at=moment))


async def test_a_source_stays_with_its_versions_and_goes_after_them(
    app, client, run_jobs, settings
):
    sources = settings.data_dir / "blobs/sources"
    forget = source_files(app.state.foretell).forget
    await send(client, "?name=t", rows(10))
    await run_jobs()
    await age(app, 31)
    assert await forget() == 0
    assert len(files_below(sources)) == 1

    await client.delete("/api/datasets/t")
    await age(app, 29)
    assert await forget() == 0
    await age(app, 31)
    assert await forget() == 1
    assert files_below(sources) == set()

    await send(client, "?name=t", rows(10))
    await run_jobs()
    assert (await client.get("/api/datasets/t")).json()["rows"] == 10


async def test_the_source_of_a_failed_import_stays_for_a_while(
    app, client, run_jobs, settings
):
    answer = await send(client, "?name=bad", b"\x89PNG\r\n\x1a\n" + bytes(100))
    await run_jobs()
    assert (await job_of(client, answer))["state"] == "failed"
    forget = source_files(app.state.foretell).forget
    assert await forget() == 0
    await age(app, 31)
    assert await forget() == 1


async def test_nothing_goes_while_an_old_import_waits(app, client, clock, run_jobs):
    await send(client, "?name=t", rows(10))
    await age(app, 31)
    clock.advance(days=40)
    forget = source_files(app.state.foretell).forget
    assert await forget() == 0
    await run_jobs()
    assert (await client.get("/api/datasets/t")).json()["rows"] == 10
