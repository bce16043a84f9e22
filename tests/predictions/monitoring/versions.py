"""A version without a file, whose calls are noted by hand."""

import secrets
from datetime import UTC, datetime
from typing import Any

import orjson

from foretell.core.db import Database
from foretell.core.ids import new_id
from foretell.models.baselines import Baseline, Bins
from foretell.models.ports import EngineSpec
from foretell.models.serving import ServedVersion
from foretell.models.signature import InputField, OutputField, Signature
from foretell.models.tables import Model, ModelVersion
from foretell.predictions.monitoring.recording import Recorder
from foretell.predictions.monitoring.tables import PredictionCount

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TABLES: list[Any] = [
    table.__table__ for table in (Model, ModelVersion, PredictionCount)
]
BASELINE = Baseline(
    10,
    [
        Bins("age", "number", edges=[20.0, 40.0], counts=[3, 4, 3, 0]),
        Bins("plan", "category", values=["a", "b"], counts=[6, 4, 0, 0]),
    ],
    [Bins("prediction", "category", values=["no", "yes"], counts=[5, 5, 0, 0])],
)
SIGNATURE = Signature(
    [InputField("age", "float"), InputField("plan", "text")],
    [OutputField("prediction", "text", values=["no", "yes"])],
)


def served(version_id: str) -> ServedVersion:
    return ServedVersion(
        id=version_id,
        model="m",
        number=1,
        flavour="sklearn",
        engine="linear",
        spec=EngineSpec("linear"),
        signature=SIGNATURE,
        artifact_key="k",
        sha256="",
        twin_key="t",
        twin_sha256="",
        is_trusted=False,
        one_row_us=1.0,
        hundred_rows_us=1.0,
        baseline=BASELINE,
    )


async def add_version(database: Database) -> str:
    """A stored version of a model of its own; gives its id."""
    model = Model(
        id=new_id(),
        name=f"m-{secrets.token_hex(4)}",
        owner_id="u",
        latest=1,
        created_at=NOW,
        updated_at=NOW,
    )
    texts = dict.fromkeys(
        ("flavour", "engine", "description", "filename", "sha256", "artifact_key"), "x"
    )
    version = ModelVersion(
        id=new_id(),
        model_id=model.id,
        number=1,
        signature={},
        spec={},
        metrics={},
        libraries={},
        safety={},
        parity={},
        warnings=[],
        bytes=1,
        is_trusted=False,
        one_row_us=1.0,
        hundred_rows_us=1.0,
        created_at=NOW,
        created_by="u",
        **texts,
    )
    async with database.writing() as session:
        session.add(model)
        await session.flush()
        session.add(version)
    return version.id


def body(age: float | None = 30.0, plan: str | None = "a") -> bytes:
    return orjson.dumps({"rows": [{"age": age, "plan": plan}]})


def note(recorder: Recorder, *, times: int, prediction: str = "yes") -> None:
    answer = orjson.dumps({"predictions": [{"prediction": prediction}]})
    for _ in range(times):
        recorder.answered(body(), answer, 1, 0.001)
