"""The job that copies a resource into a version of a dataset."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from foretell.auth.ownership import ensure_may_write, readable
from foretell.core.ids import new_id
from foretell.core.parts import Parts
from foretell.core.principal import Principal, Scope
from foretell.datasets.composing import datasets_service
from foretell.datasets.errors import DatasetNameTaken
from foretell.datasets.store import DatasetStore
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry
from foretell.resources.access import Access
from foretell.resources.description import find_description
from foretell.resources.errors import ResourceUnknown
from foretell.resources.snapshots import Snapshot, described
from foretell.resources.store import ResourceStore, compiled_of

SNAPSHOT_TASK = "resources.snapshot"
tasks = TaskRegistry()


class SnapshotArgs(BaseModel):
    """Which rows, where to."""

    model_config = ConfigDict(extra="forbid")

    resource: str
    dataset: str
    where: str | None = None


async def guard(session: Any, principal: Principal, args: SnapshotArgs) -> None:
    """Refuse a snapshot that the caller may not take.

    Raises:
        ResourceUnknown, ExpressionError, DatasetNameTaken: As it is.
    """
    access = _access(principal, args)
    store = ResourceStore(compiled_of(access.description), session)
    if args.where is not None:
        store.plans.condition(args.where)
    output = await DatasetStore(session).find_any(args.dataset)
    if output is not None and output.current is not None:
        taken = DatasetNameTaken(args.dataset)
        ensure_may_write(readable(output, principal, taken), principal)


@tasks.task(
    SNAPSHOT_TASK,
    scope=Scope.DATASETS_WRITE,
    objects=lambda args: [(Scope.DATASETS_WRITE, args.dataset)],
    guard=guard,
    timeout_seconds=6 * 3600,
)
async def take_snapshot(job: JobContext, args: SnapshotArgs) -> dict[str, Any]:
    """Copy the rows of a resource, as the job's owner sees them, into a dataset."""
    parts: Parts = job.services
    async with parts.database.reading() as session:
        await guard(session, job.principal, args)

    async def report(rows: int) -> None:
        await job.progress(rows, None, "rows", "copying")

    access = _access(job.principal, args)
    async with (
        Snapshot(parts, access, args.where).written(report) as snapshot,
        job.session() as session,
    ):
        service = datasets_service(parts, session)
        dataset = await service.get_or_reserve(job.principal, args.dataset)
        contents = await snapshot.keep(
            f"datasets/{dataset.id}/{job.job_id}/{new_id()}/",
            described(access.description, args.where),
        )
        published = await service.publish(
            dataset.id, contents, owner_id=job.owner_id or "", job_id=job.job_id
        )
    job.target = f"/api/datasets/{args.dataset}"
    return {"dataset": args.dataset, "version": published.number}


def _access(principal: Principal, args: SnapshotArgs) -> Access:
    description = find_description(args.resource)
    if description is None:
        raise ResourceUnknown(args.resource)
    access = Access(description, principal)
    access.demand_read()
    return access
