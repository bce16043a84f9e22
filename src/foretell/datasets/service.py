"""What can be done with datasets: one method a use case."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from foretell.auth.audit import Audit
from foretell.auth.ownership import ensure_may_share, ensure_may_write
from foretell.core.blobs import BlobStore
from foretell.core.clock import Clock
from foretell.core.ids import is_name, new_id
from foretell.core.pagination import Cursors, Page
from foretell.core.principal import Principal, Scope
from foretell.core.quota import QuotaExceeded
from foretell.datasets.contents import SourceFile, VersionContents
from foretell.datasets.errors import (
    DatasetNameInvalid,
    DatasetNameTaken,
    DatasetNotFound,
    DatasetVersionGone,
    DatasetVersionNotFound,
)
from foretell.datasets.options import Options
from foretell.datasets.query import Selection
from foretell.datasets.reading import DatasetReader, columns_of
from foretell.datasets.source_files import IMPORT_TASK, claim
from foretell.datasets.source_store import SourceStore
from foretell.datasets.store import DatasetStore, new_version
from foretell.datasets.tables import Dataset, DatasetVersion
from foretell.errors import Forbidden, PreconditionFailed
from foretell.jobs.service import JobsService
from foretell.jobs.tables import Job

REMOVE_TASK = "datasets.remove_files"
Mode = Literal["replace", "append"]
# Users named by id or e-mail, and the pointer to them; gives their ids.
People = Callable[[list[str], str], Awaitable[list[str]]]
# `(id of a user, bytes)`: refuses what exceeds the user's quota.
Refuse = Callable[[str, int], Awaitable[None]]
# `(id of a dataset, its name, number of its new version)`
Follower = Callable[[str, str, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A dataset and the version it is seen through; the shape of the answers."""

    dataset: Dataset
    shown: DatasetVersion

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shown, name)

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def description(self) -> str:
        return self.dataset.description

    @property
    def version(self) -> int:
        return self.shown.number

    @property
    def current(self) -> int | None:
        return self.dataset.current

    @property
    def recipe(self) -> str | None:
        recipe: str | None = self.shown.lineage.get("recipe")
        return recipe

    @property
    def owner_id(self) -> str:
        return self.dataset.owner_id

    @property
    def visibility(self) -> str:
        return self.dataset.visibility

    @property
    def readers(self) -> Sequence[str]:
        return self.dataset.readers

    @property
    def writers(self) -> Sequence[str]:
        return self.dataset.writers

    @property
    def created_at(self) -> datetime:
        return self.shown.created_at

    @property
    def etag(self) -> str:
        return f'"{self.dataset.id}-{self.dataset.revision}"'


class DatasetsService:
    """Use cases of datasets, in the unit of work of one request or job.

    Args:
        people, audit: For changes that somebody asks for; a job has neither.
        followers: Called when a version is published, in its transaction.
    """

    def __init__(
        self,
        store: DatasetStore,
        jobs: JobsService,
        clock: Clock,
        cursors: Cursors,
        reader: DatasetReader,
        blobs: BlobStore,
        sources: SourceStore,
        refuse: Refuse,
        people: People | None = None,
        audit: Audit | None = None,
        followers: Sequence[Follower] = (),
    ) -> None:
        self._audit = audit
        self._followers = followers
        self._reader = reader
        self._blobs = blobs
        self._sources = sources
        self._refuse = refuse
        self._people = people
        self._store = store
        self._jobs = jobs
        self._clock = clock
        self._cursors = cursors

    async def create(
        self,
        principal: Principal,
        name: str,
        source: SourceFile,
        options: Options,
        *,
        target: str | None = None,
    ) -> Job:
        """Reserve a name and start the import of its first version.

        Args:
            target: Path of what the caller is to get in the end; the dataset itself
                by default.

        Raises:
            DatasetNameTaken: Another dataset, or a running import, has the name.
        """
        _ensure_allowed(principal, Scope.DATASETS_WRITE, name)
        await self.reserve(principal, name)
        job = await self._submit_import(
            principal, name, source, options, "replace", target
        )
        await self._hold(name, job)
        return job

    async def count(
        self,
        principal: Principal,
        name: str,
        *,
        version: int | None = None,
        where: str | None = None,
        derive: Mapping[str, str] | None = None,
    ) -> int:
        """Rows for which a condition is true.

        Args:
            derive: Columns to compute first, as expressions by name; the condition
                sees them in the place of stored ones.
        """
        view = await self.get(principal, name, version)
        asked = Selection.of(
            columns_of(view.shown),
            where,
            derive,
            functions=self._reader.functions,
        )
        found = await self._reader.count(view.shown, asked.where, asked.derived)
        return found.count

    async def profile(
        self,
        principal: Principal,
        name: str,
        *,
        version: int | None = None,
        where: str | None = None,
        derive: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Figures of each column: `{dataset, version, rows, columns}`."""
        view = await self.get(principal, name, version)
        asked = Selection.of(
            columns_of(view.shown),
            where,
            derive,
            functions=self._reader.functions,
        )
        found = await self._reader.profile(view.shown, asked.where, asked.derived)
        return {"dataset": name, "version": view.version, **found}

    async def add_version(
        self,
        principal: Principal,
        name: str,
        source: SourceFile,
        options: Options,
        mode: Mode,
    ) -> Job:
        """Start the import of the next version of a dataset."""
        await self.get_writable(principal, name)
        return await self._submit_import(principal, name, source, options, mode)

    async def reserve(self, principal: Principal, name: str) -> Dataset:
        """Take a free name, or the name of an import that has failed."""
        if not is_name(name):
            raise DatasetNameInvalid(name)
        found = await self._store.find_any(name)
        if found is not None:
            if found.current is not None or await self._is_held(found):
                raise DatasetNameTaken(name)
            await self._store.delete(found)
        dataset = Dataset(
            id=new_id(),
            name=name,
            description="",
            last_version=0,
            revision=1,
            created_at=self._clock.now(),
            owner_id=principal.user_id,
        )
        if not await self._store.add_unless_taken(dataset):
            raise DatasetNameTaken(name)
        return dataset

    async def hold(self, name: str, job: Job) -> None:
        """Let `job` hold the reserved name until it ends."""
        await self._hold(name, job)

    async def get(
        self, principal: Principal, name: str, version: int | None = None
    ) -> DatasetView:
        """A dataset through one version, the current one by default."""
        _ensure_allowed(principal, Scope.DATASETS_READ, name)
        found = await self._store.find_with_version(name, principal, version)
        if found is None:
            raise DatasetNotFound(name)
        dataset, shown = found
        if shown is None:
            raise DatasetVersionNotFound(name, version or dataset.current or 0)
        return DatasetView(dataset, shown)

    async def find_named(
        self, principal: Principal, wanted: Mapping[str, tuple[str, int | None]]
    ) -> dict[str, DatasetVersion]:
        """The versions among `wanted` that the caller may read.

        Args:
            wanted: By any key a dataset's name and a version, the current one for
                `None`. What is not there, or not for the caller, is left out.
        """
        names = sorted({name for name, _ in wanted.values()})
        may_read = [n for n in names if principal.may(Scope.DATASETS_READ, n)]
        listed = await self._store.list_named(principal, may_read)
        datasets = {dataset.name: dataset for dataset in listed}
        found = {}
        for key, (name, number) in wanted.items():
            if name in datasets:
                chosen = number or datasets[name].current or 0
                version = await self._store.find_version(datasets[name].id, chosen)
                if version is not None:
                    found[key] = version
        return found

    async def get_for_cursor(
        self, principal: Principal, name: str, dataset_id: str, version: int
    ) -> DatasetView:
        """The version that a cursor reads, which may be gone by now."""
        try:
            view = await self.get(principal, name, version)
        except (DatasetNotFound, DatasetVersionNotFound):
            if await self._store.find_by_id(dataset_id) is None:
                raise DatasetVersionGone from None
            raise
        if view.dataset.id != dataset_id:
            raise DatasetVersionGone
        return view

    async def get_writable(self, principal: Principal, name: str) -> Dataset:
        """The dataset of that name, if the caller may change it."""
        view = await self.get(principal, name)
        _ensure_allowed(principal, Scope.DATASETS_WRITE, name)
        ensure_may_write(view.dataset, principal)
        return view.dataset

    async def get_or_reserve(self, principal: Principal, name: str) -> Dataset:
        """The dataset that a job of the caller publishes into; made if there is none."""
        try:
            return await self.get_writable(principal, name)
        except DatasetNotFound:
            return await self.reserve(principal, name)

    async def list_page(
        self, principal: Principal, cursor: str | None, limit: int
    ) -> Page[DatasetView]:
        after = self._cursors.decode("datasets", cursor) if cursor else None
        rows = await self._store.list_page(principal, after=after, limit=limit)
        views = [DatasetView(dataset, version) for dataset, version in rows]
        return self._cursors.page("datasets", views, limit, lambda view: view.name)

    async def list_versions(
        self, principal: Principal, name: str, cursor: str | None, limit: int
    ) -> Page[DatasetView]:
        dataset = (await self.get(principal, name)).dataset
        purpose = f"versions:{dataset.id}"
        before = self._cursors.decode(purpose, cursor) if cursor else None
        rows = await self._store.list_versions(dataset.id, before=before, limit=limit)
        views = [DatasetView(dataset, version) for version in rows]
        return self._cursors.page(purpose, views, limit, lambda view: view.version)

    async def change(
        self,
        principal: Principal,
        name: str,
        values: dict[str, Any],
        if_match: str | None,
    ) -> DatasetView:
        """Change description or sharing.

        Raises:
            PreconditionFailed: `if_match` is not the current ETag.
            PersonUnknown: A reader or writer has no account.
        """
        dataset = await self.get_writable(principal, name)
        if values.keys() - {"description"}:
            ensure_may_share(dataset, principal)
        view = await self.get(principal, name)
        if if_match not in (None, "*", view.etag):
            raise PreconditionFailed("The dataset was changed by someone else.")
        revision = dataset.revision if if_match not in (None, "*") else None
        values = await self._with_people(values)
        if values and not await self._store.change(dataset, revision, values):
            raise PreconditionFailed("The dataset was changed by someone else.")
        if values.keys() - {"description"}:
            seen_by = dataset.visibility
            await self._note(principal, "dataset.share", name, visibility=seen_by)
        return await self.get(principal, name)

    async def _with_people(self, values: dict[str, Any]) -> dict[str, Any]:
        """`values` with readers and writers as user ids."""
        if self._people is None:
            return values
        named = values.keys() & {"readers", "writers"}
        return values | {n: await self._people(values[n], f"/{n}") for n in named}

    async def set_current(self, principal: Principal, name: str, version: int) -> None:
        """Serve another version by default, until the next one is published."""
        dataset = await self.get_writable(principal, name)
        if await self._store.find_version(dataset.id, version) is None:
            raise DatasetVersionNotFound(name, version)
        await self._store.change(dataset, None, {"current": version})
        await self._note(principal, "dataset.current", name, version=version)

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete a dataset with all versions; a job removes its files.

        The job commits with the deletion, so no file goes while a row names it.
        """
        dataset = await self.get_writable(principal, name)
        await self._store.delete(dataset)
        await self._jobs.submit(
            REMOVE_TASK, {"dataset_id": dataset.id}, owner_id=principal.user_id
        )
        await self._note(principal, "dataset.delete", name)

    async def _note(
        self, principal: Principal, action: str, name: str, **detail: Any
    ) -> None:
        if self._audit is not None:
            await self._audit.record(
                action, principal, kind="dataset", object_id=name, **detail
            )

    async def exists(self, dataset_id: str) -> bool:
        """Whether a dataset of that id is there; asks for no rights."""
        return await self._store.find_by_id(dataset_id) is not None

    async def get_target(self, dataset_id: str) -> Dataset:
        """The dataset that a job publishes into.

        Raises:
            DatasetVersionGone: It was deleted meanwhile.
        """
        dataset = await self._store.find_by_id(dataset_id)
        if dataset is None:
            raise DatasetVersionGone
        return dataset

    async def find_current(self, dataset: Dataset) -> DatasetVersion | None:
        if dataset.current is None:
            return None
        return await self._store.find_version(dataset.id, dataset.current)

    async def publish(
        self, dataset_id: str, contents: VersionContents, *, owner_id: str, job_id: str
    ) -> DatasetVersion:
        """Make the next version of what a job has written, and serve it.

        Runs in the transaction that completes the job, so either both happen or
        neither.

        Raises:
            DatasetVersionGone: The dataset was deleted meanwhile.
            QuotaExceeded: Its owner may not keep so much; what was written is removed.
        """
        dataset = await self._store.lock(dataset_id)
        if dataset is None:
            raise DatasetVersionGone
        stored = await self._make_room(dataset, contents, job_id)
        version = new_version(
            dataset,
            id=new_id(),
            created_at=self._clock.now(),
            created_by=owner_id,
            job_id=job_id,
            rows=contents.rows,
            rejects=contents.rejects,
            bytes=contents.bytes,
            stored_bytes=stored,
            columns=contents.columns,
            parts=contents.parts,
            rejects_key=contents.rejects_key,
            source=contents.source,
            source_sha256=contents.source.get("sha256"),
            lineage=contents.lineage,
        )
        await self._store.add(version)
        for follow in self._followers:
            await follow(dataset.id, dataset.name, version.number)
        return version

    async def _make_room(
        self, dataset: Dataset, contents: VersionContents, job_id: str
    ) -> int:
        """Bytes that a version brings to what its owner keeps, if they fit."""
        base = await self.find_current(dataset)
        stored = contents.added_bytes(base.parts if base else [])
        try:
            await self._refuse(dataset.owner_id, stored)
        except QuotaExceeded:
            # A job publishes once, so nothing names the files that it has written.
            await self._blobs.delete(f"datasets/{dataset.id}/{job_id}/")
            raise
        return stored

    async def _submit_import(
        self,
        principal: Principal,
        name: str,
        source: SourceFile,
        options: Options,
        mode: Mode,
        target: str | None = None,
    ) -> Job:
        dataset = await self._store.find_any(name)
        if dataset is None:
            raise DatasetNotFound(name)
        await claim(self._sources, self._blobs, source, self._clock.now())
        args = {
            "dataset_id": dataset.id,
            "dataset": name,
            "source": source.to_json(),
            "options": options.model_dump(mode="json"),
            "mode": mode,
        }
        return await self._jobs.submit(
            IMPORT_TASK,
            args,
            owner_id=principal.user_id,
            target=target or f"/api/datasets/{name}",
        )

    async def _hold(self, name: str, job: Job) -> None:
        dataset = await self._store.find_any(name)
        if dataset is not None and dataset.current is None:
            await self._store.change(dataset, None, {"job_id": job.id})

    async def _is_held(self, dataset: Dataset) -> bool:
        return dataset.job_id is not None and await self._jobs.is_active(dataset.job_id)


def _ensure_allowed(principal: Principal, scope: Scope, name: str) -> None:
    if not principal.may(scope, name):
        raise Forbidden(f"This needs the scope {scope} for {name!r}.", scope=str(scope))
