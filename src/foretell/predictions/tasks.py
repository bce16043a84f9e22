"""The job that predicts a dataset version into a new dataset version."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from foretell.auth.ownership import ensure_may_write, readable
from foretell.core.ids import new_id
from foretell.core.parts import Parts
from foretell.core.principal import Principal, Scope
from foretell.datasets.composing import datasets_service
from foretell.datasets.errors import (
    DatasetNameTaken,
    DatasetNotFound,
    DatasetVersionNotFound,
)
from foretell.datasets.service import DatasetView
from foretell.datasets.store import DatasetStore
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry
from foretell.models.errors import ModelNotFound, ModelVersionNotFound
from foretell.models.serving import ServedModels, ServedVersion
from foretell.models.store import ModelStore
from foretell.models.versions import number_of
from foretell.predictions.batch_messages import ScoreProgress
from foretell.predictions.batching import BATCH_TASK, BatchScorer

tasks = TaskRegistry()


class BatchArgs(BaseModel):
    """Which rows, which model, where to."""

    model_config = ConfigDict(extra="forbid")

    model: str
    dataset: str
    output: str
    version: str | int | None = None
    dataset_version: int | None = Field(None, ge=1)
    include_inputs: bool = False


async def guard(session: Any, principal: Principal, args: BatchArgs) -> None:
    """Refuse a job over objects that do not exist for the caller.

    Raises:
        ModelNotFound, ModelVersionNotFound, DatasetNotFound: As it is.
    """
    store = ModelStore(session)
    found = await store.find(args.model)
    model = readable(found, principal, ModelNotFound(args.model))
    aliases = {a.name: a.number for a in await store.aliases([model.id])}
    if number_of(args.version, model.latest, aliases) is None:
        raise ModelVersionNotFound(args.model, args.version)
    datasets = DatasetStore(session)
    dataset = await datasets.find(args.dataset, principal)
    if dataset is None:
        raise DatasetNotFound(args.dataset)
    wanted = args.dataset_version
    if wanted and await datasets.find_version(dataset.id, wanted) is None:
        raise DatasetVersionNotFound(args.dataset, wanted)
    output = await datasets.find_any(args.output)
    if output is not None and output.current is not None:
        taken = DatasetNameTaken(args.output)
        ensure_may_write(readable(output, principal, taken), principal)


def objects_of(args: BatchArgs) -> list[tuple[str, str]]:
    return [
        (Scope.MODELS_PREDICT, args.model),
        (Scope.DATASETS_READ, args.dataset),
        (Scope.DATASETS_WRITE, args.output),
    ]


@tasks.task(
    BATCH_TASK,
    scope=Scope.MODELS_PREDICT,
    objects=objects_of,
    guard=guard,
    timeout_seconds=6 * 3600,
)
async def predict_batch(job: JobContext, args: BatchArgs) -> dict[str, Any]:
    """Predict every row of a dataset version into a new version of a dataset."""
    parts: Parts = job.services
    scorer = parts.port(BatchScorer)
    async with parts.database.reading() as session:
        await guard(session, job.principal, args)
        datasets = datasets_service(parts, session)
        source = await datasets.get(job.principal, args.dataset, args.dataset_version)
    version = await _version(parts, job.principal, args)

    async def report(progress: ScoreProgress) -> None:
        await job.progress(progress.rows, source.shown.rows, "rows", "predicting")

    scored = await scorer.score(
        source, version, include_inputs=args.include_inputs, report=report
    )
    try:
        async with job.session() as session:
            service = datasets_service(parts, session)
            dataset = await service.get_or_reserve(job.principal, args.output)
            contents = await scorer.keep(
                scored,
                f"datasets/{dataset.id}/{job.job_id}/{new_id()}/",
                _lineage(args, source, version),
            )
            published = await service.publish(
                dataset.id, contents, owner_id=job.owner_id or "", job_id=job.job_id
            )
    finally:
        await scorer.discard(scored)
    job.target = f"/api/datasets/{args.output}"
    return {"dataset": args.output, "version": published.number}


async def _version(
    parts: Parts, principal: Principal, args: BatchArgs
) -> ServedVersion:
    served = ServedModels(parts.database)
    model = await served.find(args.model)
    if model is None or not model.is_visible_to(principal):
        raise ModelNotFound(args.model)
    # One version for all rows, and the same one when the job is tried again.
    number = model.default
    if args.version is not None:
        number = model.number_of(str(args.version))
    version = None if number is None else await served.version(model, number)
    if version is None:
        raise ModelVersionNotFound(args.model, args.version)
    return version


def _lineage(
    args: BatchArgs, source: DatasetView, version: ServedVersion
) -> dict[str, Any]:
    return {
        "kind": "batch",
        "dataset": args.dataset,
        "dataset_version": source.version,
        "model": args.model,
        "model_version": version.number,
        "engine": version.engine,
    }
