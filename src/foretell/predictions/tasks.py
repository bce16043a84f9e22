"""The job that predicts a dataset version into a new dataset version, and its shards."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from foretell.auth.ownership import ensure_may_write, readable
from foretell.core.ids import new_id
from foretell.core.parts import Parts
from foretell.core.principal import Principal, Scope
from foretell.datasets.composing import datasets_service
from foretell.datasets.contents import VersionContents
from foretell.datasets.errors import (
    DatasetNameTaken,
    DatasetNotFound,
    DatasetVersionNotFound,
)
from foretell.datasets.service import DatasetView
from foretell.datasets.store import DatasetStore
from foretell.errors import NotFound
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry
from foretell.models.errors import ModelNotFound, ModelVersionNotFound
from foretell.models.serving import ServedModels, ServedVersion
from foretell.models.store import ModelStore
from foretell.models.versions import number_of
from foretell.predictions.batch_messages import MAX_SHARD_ROWS, ScoreProgress
from foretell.predictions.batching import BATCH_TASK, SHARD_TASK, BatchScorer
from foretell.predictions.errors import BatchRemoved
from foretell.predictions.sharding import shard_rows, shards_of

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
    shard_rows: int | None = Field(None, ge=1, le=MAX_SHARD_ROWS)


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


class ShardArgs(BaseModel):
    """One range of rows of a batch, with all that was chosen when it began.

    Attributes:
        source_id, version_id: Tell a version from one that has its name and number
            since, after it was deleted.
        output_id: The dataset that gets the rows, which may not be there yet.
        each: Rows of every shard.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    model_version: int
    version_id: str
    dataset: str
    dataset_version: int
    source_id: str
    include_inputs: bool
    output_id: str
    start: int
    each: int


class ShardResult(BaseModel):
    """The manifest of a shard."""

    rows: int
    parts: list[dict[str, Any]]
    columns: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a batch works on, from its first call to its end."""

    source: DatasetView
    version: ServedVersion
    first: ShardArgs

    @property
    def shards(self) -> list[ShardArgs]:
        ranges = shards_of(self.source.shown.rows, self.first.each)
        return [self.first.model_copy(update={"start": one.start}) for one in ranges]


@tasks.task(
    BATCH_TASK,
    scope=Scope.MODELS_PREDICT,
    objects=objects_of,
    guard=guard,
    timeout_seconds=6 * 3600,
    version=2,
)
async def predict_batch(job: JobContext, args: BatchArgs) -> dict[str, Any]:
    """Predict every row of a dataset version into a new version of a dataset.

    A large one is a job for each shard.
    """
    parts: Parts = job.services
    chosen = await _choose(job, args)
    shards = chosen.shards
    if len(shards) > 1:
        found = await job.map(predict_shard, shards)
    else:
        found = [await _score(job, chosen, shards[0], job.job_id)]
    made = [ShardResult.model_validate(one) for one in found]
    rows, wanted = sum(one.rows for one in made), chosen.source.shown.rows
    if rows != wanted:
        raise RuntimeError(f"the shards hold {rows:,} rows of {wanted:,}")
    await _demand_files(parts, made[0])
    contents = _contents(made, _lineage(args, chosen.source, chosen.version))
    async with job.session() as session:
        service = datasets_service(parts, session)
        dataset = await service.get_or_reserve(
            job.principal, args.output, chosen.first.output_id
        )
        published = await service.publish(
            dataset.id, contents, owner_id=job.owner_id or "", job_id=job.job_id
        )
    job.target = f"/api/datasets/{args.output}"
    return {"dataset": args.output, "version": published.number}


@tasks.task(
    SHARD_TASK,
    timeout_seconds=6 * 3600,
    # What it makes is published by the job that asked for it.
    is_exposed=False,
)
async def predict_shard(job: JobContext, args: ShardArgs) -> dict[str, Any]:
    """Predict a range of rows; the result tells which files hold them."""
    batch_id = job.parent_id or job.job_id
    return await _score(job, await _again(job, args), args, batch_id)


async def _choose(job: JobContext, args: BatchArgs) -> _Chosen:
    """What the names mean now, or meant when the shards were asked for."""
    parts: Parts = job.services
    before = await job.mapped()
    if before is not None:
        return await _again(job, ShardArgs.model_validate(before))
    async with parts.database.reading() as session:
        await guard(session, job.principal, args)
        datasets = datasets_service(parts, session)
        source = await datasets.get(job.principal, args.dataset, args.dataset_version)
        output = await DatasetStore(session).find_any(args.output)
    version = await _version(parts, job.principal, args.model, args.version)
    first = ShardArgs(
        model=args.model,
        model_version=version.number,
        version_id=version.id,
        dataset=args.dataset,
        dataset_version=source.version,
        source_id=source.shown.id,
        include_inputs=args.include_inputs,
        output_id=new_id() if output is None or output.current is None else output.id,
        start=0,
        each=shard_rows(version, args.shard_rows),
    )
    return _Chosen(source, version, first)


async def _again(job: JobContext, args: ShardArgs) -> _Chosen:
    parts: Parts = job.services
    async with parts.database.reading() as session:
        datasets = datasets_service(parts, session)
        source = await datasets.get(job.principal, args.dataset, args.dataset_version)
    if source.shown.id != args.source_id:
        raise DatasetVersionNotFound(args.dataset, args.dataset_version)
    version = await _version(parts, job.principal, args.model, args.model_version)
    if version.id != args.version_id:
        raise ModelVersionNotFound(args.model, args.model_version)
    return _Chosen(source, version, args)


async def _demand_files(parts: Parts, shard: ShardResult) -> None:
    """Return if the files are there: those of a batch that its owner's quota refused
    were removed, all of them, and a retry finds its shards done."""
    try:
        async with parts.blobs.local(shard.parts[0]["key"]):
            return
    except NotFound as error:
        raise BatchRemoved from error


async def _score(
    job: JobContext, chosen: _Chosen, args: ShardArgs, batch_id: str
) -> dict[str, Any]:
    scorer = job.services.port(BatchScorer)
    rows = range(args.start, args.start + args.each)
    total = min(rows.stop, chosen.source.shown.rows) - rows.start

    async def report(progress: ScoreProgress) -> None:
        await job.progress(progress.rows, total, "rows", "predicting")

    scored = await scorer.score(
        chosen.source,
        chosen.version,
        rows=rows,
        include_inputs=args.include_inputs,
        report=report,
    )
    try:
        # Each try writes files of its own: a blob never changes once it is there.
        prefix = f"datasets/{args.output_id}/{batch_id}/{new_id()}/"
        parts = await scorer.keep(scored, prefix)
    finally:
        await scorer.discard(scored)
    return ShardResult(
        rows=scored.rows, parts=parts, columns=scored.columns
    ).model_dump()


def _contents(made: list[ShardResult], lineage: dict[str, Any]) -> VersionContents:
    parts = [part for shard in made for part in shard.parts]
    return VersionContents(
        columns=made[0].columns,
        rows=sum(shard.rows for shard in made),
        rejects=0,
        bytes=sum(part["bytes"] for part in parts),
        parts=parts,
        lineage=lineage,
    )


async def _version(
    parts: Parts, principal: Principal, name: str, reference: str | int | None
) -> ServedVersion:
    served = ServedModels(parts.database)
    model = await served.find(name)
    if model is None or not model.is_visible_to(principal):
        raise ModelNotFound(name)
    # One version for all rows, and the same one when the job is tried again.
    number = model.default
    if reference is not None:
        number = model.number_of(str(reference))
    version = None if number is None else await served.version(model, number)
    if version is None:
        raise ModelVersionNotFound(name, reference)
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
