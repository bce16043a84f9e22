"""What can be done with the rows of a resource: one method a use case."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from foretell.auth.audit import Audit
from foretell.auth.ownership import NotYours
from foretell.core.clock import Clock
from foretell.core.pagination import Cursors
from foretell.errors import ForetellError, PreconditionFailed
from foretell.resources.access import Access
from foretell.resources.errors import RowNotFound
from foretell.resources.etags import wanted_versions
from foretell.resources.expanding import nest, tree_of
from foretell.resources.hooks import Change
from foretell.resources.listing import Sent, cursor_of, page_ends, query_of
from foretell.resources.refusals import Refusals
from foretell.resources.rows import Row
from foretell.resources.store import RefusedWrite, ResourceStore, compiled_of
from foretell.resources.writing import UPDATED, VERSION, completed, new_keys, values_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from foretell.jobs.enqueueing import RequestJobs


@dataclass(frozen=True, slots=True)
class ResourcePage:
    """One page of a list, as answers show it."""

    items: list[dict[str, Any]]
    next: str | None
    prev: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One row: as it is stored, and as an answer shows it."""

    row: Row
    answer: dict[str, Any]

    @property
    def version(self) -> int:
        return int(self.row[VERSION])


class ResourceService:
    """Use cases of one resource for one caller, in one unit of work.

    Args:
        jobs: Makes what hooks start jobs with; called when a row is written.
    """

    def __init__(
        self,
        access: Access,
        session: "AsyncSession",
        *,
        clock: Clock,
        cursors: Cursors,
        jobs: Callable[[], "RequestJobs"],
        audit: Audit | None = None,
    ) -> None:
        self._access = access
        self._description = access.description
        compiled = compiled_of(access.description)
        self._store = ResourceStore(compiled, session, access.condition)
        self._refusals = Refusals(self._description, self._store)
        self._shape = compiled.shape
        self._session = session
        self._clock = clock
        self._cursors = cursors
        self._make_jobs = jobs
        self._audit = audit

    # --- reading ----------------------------------------------------------------

    async def get(self, key: Any, expand: str | None = None) -> Shown:
        """One row that exists for the caller.

        Raises:
            RowNotFound: There is none.
        """
        self._access.demand_read(key)
        tree = tree_of(self._description, expand)
        row = await self._find(key, self._access.reads_as)
        if row is None:
            raise RowNotFound(self._description.name, key)
        return (await self._shown([row], tree))[0]

    async def list_page(
        self, sent: Sent, *, cursor: str | None, limit: int, expand: str | None
    ) -> ResourcePage:
        """One page of the rows that exist for the caller."""
        self._access.demand_read()
        tree = tree_of(self._description, expand)
        query = query_of(self._description, self._cursors, sent, cursor)
        plan = self._store.plans.plan(
            query, owner=self._access.reads_as, take=limit + 1
        )
        rows = await self._store.list_rows(plan)
        more, rows = len(rows) > limit, rows[:limit]
        if query.position is not None and query.position.backwards:
            rows.reverse()
        has_next, has_previous = page_ends(query, rows, more=more)

        def end(row: Row, *, backwards: bool) -> str:
            return cursor_of(
                self._description, self._cursors, query, row, backwards=backwards
            )

        return ResourcePage(
            items=[shown.answer for shown in await self._shown(rows, tree)],
            next=end(rows[-1], backwards=False) if has_next else None,
            prev=end(rows[0], backwards=True) if has_previous else None,
        )

    # --- writing ----------------------------------------------------------------

    async def create(self, body: BaseModel) -> Shown:
        """Add one row.

        Raises:
            ValueTaken, ReferenceMissing, RowRefused: A constraint refuses it.
        """
        return (await self._create([body], pointers=[""]))[0]

    async def create_many(self, bodies: Sequence[BaseModel]) -> list[Shown]:
        """Add all rows or none."""
        pointers = [f"/items/{number}" for number in range(len(bodies))]
        return await self._create(bodies, pointers=pointers)

    async def _create(
        self, bodies: Sequence[BaseModel], pointers: Sequence[str]
    ) -> list[Shown]:
        self._access.demand_write()
        changes = [
            self._change(values_of(self._description, body, is_new=True), body)
            for body in bodies
        ]
        for change in changes:
            await self._hook("before_create", change)
        rows = self._completed([change.values for change in changes])
        try:
            if len(rows) == 1:
                made = [await self._store.insert(rows[0])]
            else:
                made = await self._store.insert_many(rows)
        except RefusedWrite as error:
            raise await self._refusals.of_write(error, rows, pointers) from error
        for change, row in zip(changes, made, strict=True):
            change.row = row
            await self._hook("after_create", change)
            await self._record("create", row)
        return await self._shown(made)

    def _completed(self, many: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        principal = self._access.principal
        now = self._clock.now()
        keys = new_keys(self._description.key, len(many))
        return [
            completed(
                self._description,
                values,
                key=key,
                owner_id=principal.user_id if principal else None,
                now=now,
            )
            for key, values in zip(keys, many, strict=True)
        ]

    async def change(self, key: Any, body: BaseModel, if_match: str | None) -> Shown:
        """Set what a body holds.

        Raises:
            RowNotFound: There is no such row for the caller.
            NotYours: The caller may read the row, not change it.
            PreconditionFailed: `if_match` names another version.
        """
        self._access.demand_write(key)
        change = self._change(values_of(self._description, body, is_new=False), body)
        version = await self._version(key, if_match)
        if self._description.hooks is not None:
            change.row = await self._get_writable(key, version)
            await self._hook("before_update", change)
        if not change.values:
            return (await self._shown([await self._get_writable(key, version)]))[0]
        row = await self._update(key, change.values, version)
        change.row = row
        await self._hook("after_update", change)
        await self._record("update", row, fields=sorted(change.values))
        return (await self._shown([row]))[0]

    async def _update(
        self, key: Any, values: Mapping[str, Any], version: int | None
    ) -> Row:
        written = {**values, UPDATED: self._clock.now()}
        owner = self._access.writes_as
        try:
            row = await self._store.update(key, written, version=version, owner=owner)
        except RefusedWrite as error:
            raise await self._refusals.of_write(error, [written], [""]) from error
        if row is None:
            raise await self._why_not(key)
        return row

    async def delete(self, key: Any, if_match: str | None = None) -> None:
        """Remove a row.

        Raises:
            RowReferenced: Rows of another table refer to it.
        """
        self._access.demand_write(key)
        version = await self._version(key, if_match)
        change = self._change({})
        if self._description.hooks is not None:
            change.row = await self._get_writable(key, version)
            await self._hook("before_delete", change)
        owner = self._access.writes_as
        try:
            done = await self._store.delete(key, version=version, owner=owner)
        except RefusedWrite as error:
            raise self._refusals.of_delete(error) from error
        if not done:
            raise await self._why_not(key)
        await self._hook("after_delete", change)
        await self._record("delete", {self._description.key.name: key})

    # --- helpers ----------------------------------------------------------------

    async def _find(self, key: Any, owner: str | None) -> Row | None:
        row = await self._store.find(key, owner)
        # MySQL finds 'a' where 'a ' is asked for.
        return row if row and row[self._description.key.name] == key else None

    async def _get_writable(self, key: Any, version: int | None) -> Row:
        row = await self._find(key, self._access.writes_as)
        if row is None or version not in (None, row[VERSION]):
            raise await self._why_not(key)
        return row

    async def _version(self, key: Any, if_match: str | None) -> int | None:
        """The version that the row must be at, if a certain one."""
        versions = wanted_versions(if_match, key)
        if versions is None:
            return None
        if len(versions) > 1:
            row = await self._find(key, self._access.writes_as)
            versions &= {row[VERSION]} if row else set()
        return next(iter(versions), 0)  # no row is at 0

    async def _why_not(self, key: Any) -> ForetellError:
        """Why a write found no row."""
        missing = RowNotFound(self._description.name, key)
        if await self._find(key, self._access.reads_as) is None:
            return missing
        if await self._find(key, self._access.writes_as) is None:
            return NotYours()
        return PreconditionFailed(
            f"The {self._description.name} was changed by someone else."
        )

    def _change(self, values: dict[str, Any], body: BaseModel | None = None) -> Change:
        return Change(
            session=self._session,
            principal=self._access.principal,
            jobs=self._jobs,
            values=values,
            body=body,
        )

    @cached_property
    def _jobs(self) -> "RequestJobs":
        return self._make_jobs()

    async def _hook(self, name: str, change: Change) -> None:
        if self._description.hooks is not None:
            await getattr(self._description.hooks, name)(change)

    async def _record(self, verb: str, row: Mapping[str, Any], **detail: Any) -> None:
        principal = self._access.principal
        if self._audit is None or principal is None:
            return
        name = self._description.name
        await self._audit.record(
            f"{name}.{verb}",
            principal,
            kind=name,
            object_id=str(row[self._description.key.name]),
            **detail,
        )

    async def _shown(
        self, rows: Sequence[Row], tree: Mapping[str, Any] | None = None
    ) -> list[Shown]:
        answers = [self._shape.shown(row) for row in rows]
        if tree:
            await nest(self._store, self._access, rows, answers, tree)
        return [Shown(row, answer) for row, answer in zip(rows, answers, strict=True)]
