"""Datasets of outside databases: what a caller may import from one and export to one.

The checks are made when it is asked for, and again by the job, with its owner's rights.
"""

from dataclasses import dataclass
from typing import Any

from foretell.connections.kinds import Kind, kind_of
from foretell.connections.schemas import SourceWrite
from foretell.connections.service import ConnectionsService, Opened
from foretell.connections.statements import demand_read_only
from foretell.core.connectors import Source
from foretell.core.principal import Principal, Scope
from foretell.datasets.errors import SinkInvalid, SourceInvalid
from foretell.datasets.outside_schemas import ExportWrite, Mode
from foretell.datasets.service import DatasetsService
from foretell.errors import Forbidden
from foretell.jobs.service import JobsService
from foretell.jobs.tables import Job

IMPORT_TASK = "datasets.import_source"
EXPORT_TASK = "datasets.export"
_SINKS = ("table", "collection", "key")


@dataclass(frozen=True, slots=True)
class OutsideDatasets:
    """Imports from and exports to connections, in the request's unit of work."""

    datasets: DatasetsService
    connections: ConnectionsService
    jobs: JobsService

    async def create(self, principal: Principal, name: str, source: SourceWrite) -> Job:
        """Reserve a name and start the import of its first version.

        Raises:
            SourceInvalid, QueryNotReadOnly, ConnectionNotFound, DatasetNameTaken.
        """
        _demand(principal, Scope.DATASETS_WRITE, name)
        await self._check(principal, source)
        dataset = await self.datasets.reserve(principal, name)
        job = await self._submit(principal, dataset.id, name, source, "replace")
        await self.datasets.hold(name, job)
        return job

    async def add_version(
        self, principal: Principal, name: str, source: SourceWrite, mode: Mode
    ) -> Job:
        """Start the import of the next version of a dataset."""
        _demand(principal, Scope.DATASETS_WRITE, name)
        source_of(source)
        dataset = await self.datasets.get_writable(principal, name)
        await self._check(principal, source)
        return await self._submit(principal, dataset.id, name, source, mode)

    async def export(self, principal: Principal, name: str, wanted: ExportWrite) -> Job:
        """Start the writing of a version to an outside database.

        Raises:
            SinkInvalid, DatasetNotFound, DatasetVersionNotFound, ConnectionNotFound.
        """
        sink_name(wanted)
        view = await self.datasets.get(principal, name, wanted.version)
        opened = await self.connections.open(principal, wanted.connection)
        columns = [str(column["name"]) for column in view.columns]
        ensure_sink(wanted, kind_of(opened.kind), columns)
        args = {**wanted.model_dump(mode="json"), "version": view.version}
        await self.datasets.note_export(
            principal, name, version=view.version, connection=wanted.connection
        )
        return await self.jobs.submit(
            EXPORT_TASK, {"dataset": name, **args}, owner_id=principal.user_id
        )

    async def _check(self, principal: Principal, source: SourceWrite) -> None:
        source_of(source)
        opened = await self.connections.open(principal, source.connection)
        checked_source(source, opened)

    async def _submit(
        self,
        principal: Principal,
        dataset_id: str,
        name: str,
        source: SourceWrite,
        mode: Mode,
    ) -> Job:
        args: dict[str, Any] = {
            "dataset_id": dataset_id,
            "dataset": name,
            "source": source.model_dump(mode="json"),
            "mode": mode,
        }
        return await self.jobs.submit(
            IMPORT_TASK,
            args,
            owner_id=principal.user_id,
            target=f"/api/datasets/{name}",
        )


def source_of(given: SourceWrite) -> Source:
    """What to read.

    Raises:
        SourceInvalid: It names none, or several.
    """
    named = [
        (kind, text)
        for kind in ("table", "query", "collection")
        if (text := getattr(given, kind)) is not None
    ]
    if len(named) != 1:
        what = "exactly one of table, query and collection says what to read"
        raise SourceInvalid("/source", what)
    kind, text = named[0]
    return Source(kind, text)  # type: ignore[arg-type]


def checked_source(given: SourceWrite, opened: Opened) -> Source:
    """What to read of this kind of connection, a query checked.

    Raises:
        SourceInvalid: The kind has no such thing.
        QueryNotReadOnly: The query is not one SELECT.
    """
    source = source_of(given)
    kind = kind_of(opened.kind)
    if source.kind not in kind.sources:
        has = " or ".join(kind.sources) or "nothing to read"
        raise SourceInvalid(
            f"/source/{source.kind}", f"is not for {kind.name}, which has {has}"
        )
    if source.kind == "query":
        return Source("query", demand_read_only(source.text, kind.name))
    return source


def sink_name(wanted: ExportWrite) -> str:
    """Where to write.

    Raises:
        SinkInvalid: It names no place, or several.
    """
    named = [name for kind in _SINKS if (name := getattr(wanted, kind)) is not None]
    if len(named) != 1:
        raise SinkInvalid(
            "/table", "exactly one of table, collection and key says where"
        )
    return str(named[0])


def ensure_sink(wanted: ExportWrite, kind: Kind, columns: list[str]) -> None:
    """Return if the kind of connection has such a place.

    Raises:
        SinkInvalid: It has not, or `key_column` is no column.
    """
    given = next(name for name in _SINKS if getattr(wanted, name) is not None)
    if given != kind.sink:
        raise SinkInvalid(f"/{given}", f"is not for {kind.name}, which has {kind.sink}")
    if wanted.key_column is None:
        return
    if kind.sink != "key":
        raise SinkInvalid("/key_column", f"is not for {kind.name}")
    if wanted.key_column not in columns:
        raise SinkInvalid("/key_column", "names no column of the dataset")


def _demand(principal: Principal, scope: Scope, name: str) -> None:
    if not principal.may(scope, name):
        raise Forbidden(f"This needs the scope {scope} for {name!r}.", scope=str(scope))
