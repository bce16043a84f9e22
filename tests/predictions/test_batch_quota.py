"""A batch of several shards whose rows do not fit what its owner may keep."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

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
from tests.models.application import dump

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

ROWS = 70_000
# The dataset is about 1.1 MiB with its source; the batch would bring as much again.
QUOTA = 1_700_000


@pytest.fixture
def settings(usual_settings: Settings) -> Settings:
    return usual_settings.model_copy(update={"user_quota_bytes": QUOTA})


def files_below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*.parquet")}


async def test_all_shards_go_and_a_retry_says_so(
    client: Any, run_jobs: Any, settings: Settings
) -> None:
    chance = np.random.default_rng(3).normal(size=ROWS)
    table = io.BytesIO()
    pl.DataFrame({"x": chance}).write_parquet(table)
    sent = await client.post("/api/datasets?name=rows", content=table.getvalue())
    assert sent.status_code == 202, sent.text
    model = LinearRegression().fit(pl.DataFrame({"x": [0.0, 1.0]}).to_pandas(), [0, 1])
    sent = await client.post("/api/models/line/versions", content=dump(model))
    assert sent.status_code == 202, sent.text
    await run_jobs()
    before = files_below(settings.data_dir)
    body = {"dataset": "rows", "output": "out", "include_inputs": True}
    sent = await client.post(
        "/api/models/line/batch", json={**body, "shard_rows": 32_768}
    )
    job = sent.headers["location"]
    await run_jobs()
    failed = (await client.get(job)).json()
    assert failed["error"]["type"].endswith("/quota-exceeded"), failed
    shards = await client.get(f"/api/jobs?parent_id={failed['id']}")
    assert [one["state"] for one in shards.json()["items"]] == ["succeeded"] * 3
    assert files_below(settings.data_dir) == before
    assert (await client.post(f"{job}/retry")).status_code < 300
    await run_jobs()
    retried = (await client.get(job)).json()
    assert retried["error"]["type"].endswith("/batch-removed"), retried
    assert (await client.get("/api/datasets/out")).status_code == 404
