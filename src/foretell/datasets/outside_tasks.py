"""The jobs that read outside databases into datasets, and write datasets to them."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from foretell.auth.ownership import ensure_may_write, readable
from foretell.connections.composing import connections_service
from foretell.connections.errors import ConnectionNotFound
from foretell.connections.kinds import kind_of
from foretell.connections.outside import Outside
from foretell.connections.schemas import SourceWrite
from foretell.connections.service import Opened
from foretell.connections.spooling import CHUNK_ROWS, read_table
from foretell.connections.store import ConnectionStore
from foretell.core.connectors import Sink
from foretell.core.ids import new_id
from foretell.core.parts import Parts
from foretell.core.principal import Principal, Scope
from foretell.datasets.appending import appended, fit, log_widened
from foretell.datasets.composing import datasets_service
from foretell.datasets.errors import (
    AppendMismatch,
    DatasetNameTaken,
    DatasetNotFound,
)
from foretell.datasets.exporting import Export, typed_chunks
from foretell.datasets.outside import (
    EXPORT_TASK,
    IMPORT_TASK,
    checked_source,
    ensure_sink,
    sink_name,
    source_of,
)
from foretell.datasets.outside_schemas import ExportWrite, Mode
from foretell.datasets.sourced import Origin, expected
from foretell.datasets.store import DatasetStore
from foretell.datasets.tables import DatasetVersion
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry

REFRESH_TASK = "datasets.refresh"
TIMEOUT_SECONDS = 6 * 3600
tasks = TaskRegistry()


class RefreshArgs(BaseModel):
    """What is read into which dataset."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    source: SourceWrite
    mode: Mode = "replace"


class SourceArgs(RefreshArgs):
    """The same for a dataset whose name is held already."""

    dataset_id: str


class ExportArgs(ExportWrite):
    """Which version goes where."""

    dataset: str


async def guard_refresh(session: Any, principal: Principal, args: RefreshArgs) -> None:
    """Refuse an import by a connection, or into a dataset, that is not the caller's."""
    source_of(args.source)
    name = args.source.connection
    if await ConnectionStore(session).find(name, principal) is None:
        raise ConnectionNotFound(name)
    found = await DatasetStore(session).find_any(args.dataset)
    if found is not None and found.current is not None:
        taken = DatasetNameTaken(args.dataset)
        ensure_may_write(readable(found, principal, taken), principal)


async def guard_export(session: Any, principal: Principal, args: ExportArgs) -> None:
    """Refuse an export of what the caller does not see, or to where they may not."""
    sink_name(args)
    if await DatasetStore(session).find(args.dataset, principal) is None:
        raise DatasetNotFound(args.dataset)
    if await ConnectionStore(session).find(args.connection, principal) is None:
        raise ConnectionNotFound(args.connection)


@tasks.task(
    IMPORT_TASK,
    scope=Scope.DATASETS_WRITE,
    timeout_seconds=TIMEOUT_SECONDS,
    is_exposed=False,
)
async def import_source(job: JobContext, args: SourceArgs) -> dict[str, Any]:
    """Read an outside source into the next version of a dataset."""
    return await _read_into(job, args, args.dataset_id)


@tasks.task(
    REFRESH_TASK,
    scope=Scope.DATASETS_WRITE,
    objects=lambda args: [
        (Scope.DATASETS_WRITE, args.dataset),
        (Scope.CONNECTIONS_USE, args.source.connection),
    ],
    guard=guard_refresh,
    timeout_seconds=TIMEOUT_SECONDS,
)
async def refresh(job: JobContext, args: RefreshArgs) -> dict[str, Any]:
    """Read an outside source into the next version of a dataset, which is made if
    there is none: for schedules."""
    parts: Parts = job.services
    async with parts.database.writing() as session:
        service = datasets_service(parts, session)
        try:
            dataset = await service.get_writable(job.principal, args.dataset)
        except DatasetNotFound:
            dataset = await service.reserve(job.principal, args.dataset)
        dataset_id = dataset.id
    return await _read_into(job, args, dataset_id)


async def _read_into(
    job: JobContext, args: RefreshArgs, dataset_id: str
) -> dict[str, Any]:
    parts: Parts = job.services
    job.target = f"/api/datasets/{args.dataset}"
    opened, base = await _begin(job, args, dataset_id)
    origin = Origin(
        opened.kind,
        opened.name,
        checked_source(args.source, opened),
        args.source.incremental,
    )
    follows = base if args.mode == "append" else None
    outside = parts.port(Outside)
    connector = await outside.connector(opened.kind)
    target = await outside.target(opened.said)
    prefix = f"datasets/{dataset_id}/{job.job_id}/"
    await parts.blobs.delete(prefix)

    async def report(stage: str, rows: int) -> None:
        await job.progress(rows, None, "rows", stage)

    source = origin.to_read(args.dataset, follows)
    async with (
        connector.read(target, source, rows=CHUNK_ROWS) as reading,
        read_table(
            parts,
            reading,
            declared=expected(reading.columns, follows),
            report=report,
            watched=args.source.incremental,
        ) as table,
    ):
        for finding in table.findings:
            job.log(f"{finding['column']}: {finding['message']}")
        if follows is not None and args.source.incremental and table.rows == 0:
            job.log("there are no new rows")
            return {"dataset": args.dataset, "version": follows.number}
        contents = await origin.contents(
            table, parts.blobs, f"{prefix}{new_id()}/", follows
        )
    job.log(f"read {contents.rows:,} rows")
    fitted = None
    if args.mode == "append":
        fitted = await fit(parts, base, contents, prefix)
        log_widened(job, fitted)
    async with job.session() as session:
        service = datasets_service(parts, session)
        dataset = await service.get_target(dataset_id)
        if args.mode == "append":
            now = await service.find_current(dataset)
            if args.source.incremental and _number(now) != _number(base):
                raise AppendMismatch(
                    "The dataset got another version meanwhile; start the import again."
                )
            contents = appended(now, contents, fitted)
        version = await service.publish(
            dataset_id, contents, owner_id=job.owner_id or "", job_id=job.job_id
        )
    return {"dataset": args.dataset, "version": version.number}


async def _begin(
    job: JobContext, args: RefreshArgs, dataset_id: str
) -> tuple[Opened, DatasetVersion | None]:
    """The connection, and the version that is current now."""
    parts: Parts = job.services
    async with parts.database.reading() as session:
        service = datasets_service(parts, session)
        base = await service.find_current(await service.get_target(dataset_id))
        connections = connections_service(parts, session)
        return await connections.open(job.principal, args.source.connection), base


def _number(version: DatasetVersion | None) -> int:
    return version.number if version is not None else 0


@tasks.task(
    EXPORT_TASK,
    scope=Scope.CONNECTIONS_USE,
    objects=lambda args: [
        (Scope.DATASETS_READ, args.dataset),
        (Scope.CONNECTIONS_USE, args.connection),
    ],
    guard=guard_export,
    timeout_seconds=TIMEOUT_SECONDS,
)
async def export(job: JobContext, args: ExportArgs) -> dict[str, Any]:
    """Write a version of a dataset to an outside database, wholly or not at all."""
    parts: Parts = job.services
    name = sink_name(args)
    async with parts.database.reading() as session:
        service = datasets_service(parts, session)
        view = await service.get(job.principal, args.dataset, args.version)
        connections = connections_service(parts, session)
        opened = await connections.open(job.principal, args.connection)
    wanted = Export(parts, view.shown)
    columns = await wanted.columns()
    ensure_sink(args, kind_of(opened.kind), [column.name for column in columns])
    sink = Sink(
        name,
        columns,
        args.mode,
        token=str(view.version) if opened.kind == "redis" else job.job_id,
        key_column=args.key_column,
    )

    async def report(rows: int) -> None:
        await job.progress(rows, view.rows, "rows", f"writing to {opened.name}")

    outside = parts.port(Outside)
    connector = await outside.connector(opened.kind)
    target = await outside.target(opened.said)
    rows = await connector.write(target, sink, typed_chunks(wanted, columns, report))
    job.log(f"wrote {rows:,} rows")
    return {
        "dataset": args.dataset,
        "version": view.version,
        "connection": opened.name,
        kind_of(opened.kind).sink: name,
        "rows": rows,
    }
