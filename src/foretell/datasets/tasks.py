"""The job that makes dataset versions of uploaded files."""

import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from foretell.core.columns import ColumnType
from foretell.core.parts import Parts
from foretell.datasets.appending import (
    appended,
    current,
    fit,
    log_widened,
    wider_types,
)
from foretell.datasets.composing import datasets_service
from foretell.datasets.contents import SourceFile, VersionContents
from foretell.datasets.importing import DatasetImporter
from foretell.datasets.options import Options
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry
from foretell.tabular.messages import Progress

tasks = TaskRegistry()


class ImportSource(BaseModel):
    """A file of the blob store."""

    model_config = ConfigDict(extra="forbid")

    key: str
    filename: str
    bytes: int
    sha256: str


class ImportArgs(BaseModel):
    """Which file becomes which dataset's next version."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: str
    dataset: str
    source: ImportSource
    options: Options
    mode: Literal["replace", "append"] = "replace"


@tasks.task(
    "datasets.import",
    scope="datasets:write",
    objects=lambda args: [("datasets:write", args.dataset)],
    timeout_seconds=6 * 3600,
    # Its arguments name stored files, which only an upload may choose.
    is_exposed=False,
)
async def import_dataset(job: JobContext, args: ImportArgs) -> dict[str, Any]:
    """Read an uploaded file into the next version of a dataset."""
    parts: Parts = job.services
    started = time.monotonic()
    prefix = f"datasets/{args.dataset_id}/{job.job_id}/"

    async def report(progress: Progress) -> None:
        message = _progress_text(progress, time.monotonic() - started)
        await job.progress(progress.done, progress.total, "bytes", message)

    async def read(options: Options) -> VersionContents:
        return await parts.port(DatasetImporter).read(
            SourceFile(**args.source.model_dump()),
            options,
            prefix=prefix,
            report=report,
        )

    contents = await read(args.options)
    fitted = None
    if args.mode == "append":
        base = await current(parts, args.dataset_id)
        wider = wider_types(base.columns, contents.columns) if base else {}
        if wider:
            names = ", ".join(f"{name} as {type_}" for name, type_ in wider.items())
            job.log(f"reading again for the wider types of the dataset: {names}")
            types = {**args.options.types, **wider}
            contents = await read(args.options.model_copy(update={"types": types}))
            contents.lineage["widened"] = dict(wider)
        texts = [n for n, t in args.options.types.items() if t is ColumnType.TEXT]
        fitted = await fit(parts, base, contents, prefix, texts=texts)
        log_widened(job, fitted)
    job.log(f"read {contents.rows:,} rows, kept {contents.rejects:,} aside")
    async with job.session() as session:
        service = datasets_service(parts, session)
        dataset = await service.get_target(args.dataset_id)
        if args.mode == "append":
            now = await service.find_current(dataset)
            contents = appended(now, contents, fitted)
        version = await service.publish(
            args.dataset_id, contents, owner_id=job.owner_id or "", job_id=job.job_id
        )
    return {"dataset": args.dataset, "version": version.number}


def _progress_text(progress: Progress, seconds: float) -> str:
    """What an import has done so far; its bytes are told apart."""
    found = [progress.stage]
    if progress.rows or progress.rejects:
        speed = int(progress.rows / max(seconds, 0.001))
        found.append(f"{progress.rows:,} rows ({speed:,}/s)")
        found.append(f"{progress.rejects:,} rejects")
    if progress.columns:
        found.append(f"{progress.columns:,} columns")
    return ", ".join(found)


@tasks.task("datasets.remove_files", is_exposed=False)
async def remove_files(job: JobContext, dataset_id: str) -> None:
    """Remove the files of a deleted dataset.

    Its source files stay: they are kept by content, and others may share them.
    """
    parts: Parts = job.services
    async with parts.database.reading() as session:
        if await datasets_service(parts, session).exists(dataset_id):
            return
    await parts.blobs.delete(f"datasets/{dataset_id}/")
