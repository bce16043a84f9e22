"""Datasets of models of SQLAlchemy, Django and Tortoise, for an extension's tasks."""

from typing import Any

from foretell.connections.sources import ModelSource
from foretell.connections.spooling import CHUNK_ROWS, read_table
from foretell.core.ids import new_id
from foretell.core.parts import Parts
from foretell.datasets.appending import appended, fit, log_widened
from foretell.datasets.composing import datasets_service
from foretell.datasets.contents import VersionContents
from foretell.datasets.outside_schemas import Mode
from foretell.datasets.sourced import expected
from foretell.jobs.context import JobContext


async def import_model(
    job: JobContext, dataset: str, source: ModelSource, *, mode: Mode = "replace"
) -> dict[str, Any]:
    """Make the next version of a dataset of all rows of a model; the dataset is made
    if there is none. It is published when the task returns.

    Args:
        job: Whose owner has to be allowed to write the dataset.
        source: Of `sqlalchemy_source`, `django_source` or `tortoise_source`.

    Returns:
        `{dataset, version}`, for the task to answer with.
    """
    parts: Parts = job.services
    async with parts.database.writing() as session:
        service = datasets_service(parts, session)
        found = await service.get_or_reserve(job.principal, dataset)
        base = await service.find_current(found) if mode == "append" else None
        dataset_id = found.id

    async def report(stage: str, rows: int) -> None:
        await job.progress(rows, None, "rows", stage)

    reading = source.reading(CHUNK_ROWS)
    declared = expected(reading.columns, base)
    described = {"kind": source.kind, "model": source.label}
    prefix = f"datasets/{dataset_id}/{job.job_id}/{new_id()}/"
    async with read_table(parts, reading, declared=declared, report=report) as table:
        kept = await table.keep(parts.blobs, prefix)
        contents = VersionContents(
            columns=table.columns,
            rows=table.rows,
            rejects=0,
            bytes=sum(int(part["bytes"]) for part in kept),
            parts=kept,
            source={**described, "findings": table.findings},
            lineage=described,
        )
    fitted = None
    if mode == "append":
        fitted = await fit(parts, base, contents, prefix)
        log_widened(job, fitted)
    async with job.session() as session:
        service = datasets_service(parts, session)
        if mode == "append":
            now = await service.find_current(await service.get_target(dataset_id))
            contents = appended(now, contents, fitted)
        version = await service.publish(
            dataset_id, contents, owner_id=job.owner_id or "", job_id=job.job_id
        )
    job.target = f"/api/datasets/{dataset}"
    return {"dataset": dataset, "version": version.number}
