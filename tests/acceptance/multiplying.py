"""Many objects of every kind, made from one real one of each by copying its row."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import insert, select

from foretell.auth.tables import (
    ApiKey,
    AuditEntry,
    BrowserSession,
    RefreshFamily,
    User,
)
from foretell.connections.tables import Connection
from foretell.core.db import Database
from foretell.core.ids import new_id
from foretell.datasets.tables import Dataset, DatasetVersion
from foretell.features.tables import FeatureSet, FeatureSetVersion
from foretell.jobs.schedule_tables import Schedule
from foretell.jobs.tables import Job, JobAttempt
from foretell.models.tables import Model, ModelAlias, ModelAliasMove, ModelVersion
from foretell.predictions.monitoring.tables import PredictionCount
from foretell.recipes.tables import Recipe, RecipeVersion
from foretell.testing.draining import drain
from foretell.testing.people import PASSWORD
from tests.acceptance.conftest import ROW, estimators
from tests.models.application import dump

EMAIL = "admin@example.org"


@dataclass(frozen=True, slots=True)
class Originals:
    """The real objects: names and ids that routes take; the schedule, the recipe, the
    feature set and the connection have the dataset's name."""

    dataset: str
    model: str
    job: str
    user: str
    key: str


async def make_originals(
    app: FastAPI, client: httpx2.AsyncClient, rows: int
) -> Originals:
    """Import a file of `rows` rows, publish a model, and sign in by every door."""
    dataset, model = f"rows-{rows}", f"model-{rows}"
    lines = "".join(f"{n},name {n}\n" for n in range(rows))
    made = await client.post(
        f"/api/datasets?name={dataset}", content=f"id,name\n{lines}bad\n".encode()
    )
    assert made.status_code == 202, made.text
    price = dump(estimators()["price"])
    uploaded = await client.post(
        f"/api/models/{model}/versions", files={"artifact": ("model.joblib", price)}
    )
    assert uploaded.status_code == 202, uploaded.text
    await drain(app.state.foretell)
    alias = await client.put(
        f"/api/models/{model}/aliases/champion", json={"version": 1}
    )
    assert alias.status_code == 200, alias.text
    asked = await client.post(f"/api/models/{model}/predict", json={"rows": [ROW]})
    assert asked.status_code == 200, asked.text
    watched = await client.get(f"/api/models/{model}/monitoring")
    assert watched.json()["calls"] == 1
    schedule = {"task": "system.echo", "args": {"value": 1}, "every_s": 3600}
    planned = await client.put(f"/api/schedules/{dataset}", json=schedule)
    assert planned.is_success, planned.text
    recipe = {"steps": [{"step": "sort", "by": ["id"]}]}
    features = {"features": [{"name": "a", "expression": "1"}]}
    databases = app.state.foretell.settings.data_dir / "databases"
    databases.mkdir(exist_ok=True)
    sqlite3.connect(databases / "one.db").close()
    connection = {"kind": "sqlite", "path": "one.db"}
    for kind, body in (
        ("recipes", recipe),
        ("feature-sets", features),
        ("connections", connection),
    ):
        put = await client.put(f"/api/{kind}/{dataset}", json=body)
        assert put.status_code == 201, put.text
    key = await client.post("/api/keys", json={"name": "k", "scopes": ["jobs:read"]})
    who = {"email": EMAIL, "password": PASSWORD}
    assert (await client.post("/api/session", json=who)).status_code in (200, 201)
    client.cookies.clear()
    form = {"grant_type": "password", "username": EMAIL, "password": PASSWORD}
    assert (await client.post("/token", data=form)).status_code == 200
    me = (await client.get("/api/users/me")).json()["id"]
    job = made.json()["id"]
    return Originals(dataset, model, job, me, key.json()["id"])


Changes = Callable[[int], dict[str, Any]]


async def multiply(database: Database, originals: Originals, count: int) -> None:
    """Add `count` copies of each original, and of its parts."""
    async with database.engine.begin() as connection:

        async def copy(table: Any, condition: Any, changes: Changes) -> None:
            found = await connection.execute(select(table.__table__).where(condition))
            original = dict(found.mappings().first() or {})
            assert original, table
            rows = [{**original, **changes(n)} for n in range(count)]
            await connection.execute(insert(table), rows)

        for table, condition, changes in _copies(originals, count):
            await copy(table, condition, changes)
        for table, versions, key in _VERSIONED:
            await _multiply_versioned(copy, originals, count, table, versions, key)
        dataset = select(Dataset.id).where(Dataset.name == originals.dataset)
        ids = [new_id() for _ in range(count)]
        await copy(
            Dataset,
            Dataset.name == originals.dataset,
            lambda n: {"id": ids[n], "name": f"copy-{count}-{n}", "job_id": None},
        )
        own = DatasetVersion.dataset_id == dataset.scalar_subquery()
        await copy(
            DatasetVersion,
            own,
            lambda n: {"id": new_id(), "dataset_id": ids[n], "job_id": None},
        )
        await copy(
            DatasetVersion,
            own,
            lambda n: {"id": new_id(), "number": n + 2, "job_id": None},
        )


_VERSIONED: Sequence[tuple[Any, Any, str]] = (
    (Recipe, RecipeVersion, "recipe_id"),
    (FeatureSet, FeatureSetVersion, "feature_set_id"),
)


async def _multiply_versioned(
    copy: Any, originals: Originals, count: int, table: Any, versions: Any, key: str
) -> None:
    own = select(table.id).where(table.name == originals.dataset).scalar_subquery()
    ids = [new_id() for _ in range(count)]
    await copy(
        table,
        table.name == originals.dataset,
        lambda n: {"id": ids[n], "name": f"copy-{count}-{n}"},
    )
    is_own = getattr(versions, key) == own
    await copy(versions, is_own, lambda n: {"id": new_id(), key: ids[n]})
    await copy(versions, is_own, lambda n: {"id": new_id(), "number": n + 2})


def _copies(originals: Originals, count: int) -> Sequence[tuple[Any, Any, Changes]]:
    model = select(Model.id).where(Model.name == originals.model).scalar_subquery()
    return (
        (
            User,
            User.id == originals.user,
            lambda n: {"id": new_id(), "email_key": f"{count}-{n}"},
        ),
        (
            ApiKey,
            ApiKey.id == originals.key,
            lambda n: {"id": f"{count:04}k{n:05}"},
        ),
        (
            BrowserSession,
            BrowserSession.user_id == originals.user,
            lambda n: {"id": new_id(), "digest": f"{count}-{n}"},
        ),
        (
            RefreshFamily,
            RefreshFamily.user_id == originals.user,
            lambda n: {"id": new_id()},
        ),
        (
            AuditEntry,
            AuditEntry.action == "key.create",
            lambda n: {"id": new_id()},
        ),
        (Job, Job.id == originals.job, lambda n: {"id": new_id()}),
        (
            JobAttempt,
            JobAttempt.job_id == originals.job,
            lambda n: {"token": n + 1000},
        ),
        (
            Schedule,
            Schedule.name == originals.dataset,
            lambda n: {"id": new_id(), "name": f"copy-{count}-{n}"},
        ),
        (
            Connection,
            Connection.name == originals.dataset,
            lambda n: {"id": new_id(), "name": f"copy-{count}-{n}"},
        ),
        (
            Model,
            Model.name == originals.model,
            lambda n: {"id": new_id(), "name": f"copy-{count}-{n}"},
        ),
        (
            ModelVersion,
            ModelVersion.model_id == model,
            lambda n: {"id": new_id(), "number": n + 2},
        ),
        (
            PredictionCount,
            PredictionCount.version_id.in_(
                select(ModelVersion.id).where(ModelVersion.model_id == model)
            ),
            lambda n: {"id": new_id()},
        ),
        (
            ModelAlias,
            ModelAlias.model_id == model,
            lambda n: {"id": new_id(), "name": f"alias-{n}"},
        ),
        (
            ModelAliasMove,
            ModelAliasMove.model_id == model,
            lambda n: {"id": new_id()},
        ),
    )
