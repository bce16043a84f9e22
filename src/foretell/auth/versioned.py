"""Use cases that named, owned objects with immutable versions have in common.

An area says what its objects are called and how they fail (`Kind`); put, get, list,
share and delete are the same for all. PUT always makes a version, so what a job or a
model was made with can be read for ever.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from foretell.auth.audit import Audit
from foretell.auth.ownership import (
    ensure_may_share,
    ensure_may_write,
    may_read,
    readable,
)
from foretell.auth.versioned_store import VersionedStore
from foretell.core.clock import Clock
from foretell.core.ids import new_id
from foretell.core.pagination import Cursors, Page
from foretell.core.principal import Principal
from foretell.errors import ForetellError, PreconditionFailed

People = Callable[[list[str], str], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the objects are.

    Attributes:
        word: In the audit log and in cursors: `recipe`.
        new, new_version: Make rows of their tables.
        missing, missing_version, taken: Make the errors.
    """

    word: str
    new: Callable[..., Any]
    new_version: Callable[..., Any]
    missing: Callable[[str], ForetellError]
    missing_version: Callable[[str, int], ForetellError]
    taken: Callable[[str], ForetellError]


@dataclass(frozen=True, slots=True)
class VersionedView:
    """An object and the version it is seen through; the shape of the answers."""

    object: Any
    shown: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shown, name)

    @property
    def name(self) -> str:
        return str(self.object.name)

    @property
    def description(self) -> str:
        return str(self.object.description)

    @property
    def version(self) -> int:
        return int(self.shown.number)

    @property
    def latest(self) -> int:
        return int(self.object.latest)

    @property
    def owner_id(self) -> str:
        return str(self.object.owner_id)

    @property
    def visibility(self) -> str:
        return str(self.object.visibility)

    @property
    def readers(self) -> Sequence[str]:
        return list(self.object.readers)

    @property
    def writers(self) -> Sequence[str]:
        return list(self.object.writers)

    @property
    def created_at(self) -> datetime:
        found: datetime = self.shown.created_at
        return found

    @property
    def etag(self) -> str:
        return f'"{self.object.id}-{self.object.revision}"'


class VersionedObjects:
    """Objects of one kind, in the unit of work of one request or job.

    Args:
        people, audit: For changes that somebody asks for; a job has neither.
    """

    def __init__(
        self,
        kind: Kind,
        store: VersionedStore,
        clock: Clock,
        cursors: Cursors,
        people: People | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._kind = kind
        self._objects = store
        self._clock = clock
        self._cursors = cursors
        self._people = people
        self._audit = audit

    async def put_content(
        self,
        principal: Principal,
        name: str,
        content: Mapping[str, Any],
        *,
        description: str | None = None,
        if_match: str | None = None,
    ) -> tuple[VersionedView, bool]:
        """Make an object or its next version; answers whether it is new.

        Raises:
            Conflict: The name is somebody else's.
            PreconditionFailed: `if_match` is not the current ETag.
        """
        found = await self._objects.find(name, lock=True)
        if found is None:
            return await self._make(principal, name, content, description, if_match)
        if not may_read(found, principal):
            raise self._kind.taken(name)
        ensure_may_write(found, principal)
        _demand_match(found, if_match)
        values: dict[str, Any] = {"latest": found.latest + 1}
        values["changed_at"] = self._clock.now()
        if description is not None:
            values["description"] = description
        await self._objects.change(found, None, values)
        version = await self._add_version(principal, found, content)
        await self.note(principal, "put", name, version=version.number)
        return VersionedView(found, version), False

    async def _make(
        self,
        principal: Principal,
        name: str,
        content: Mapping[str, Any],
        description: str | None,
        if_match: str | None,
    ) -> tuple[VersionedView, bool]:
        if if_match is not None:
            raise PreconditionFailed("There is nothing of that name yet.")
        now = self._clock.now()
        row = self._kind.new(
            id=new_id(),
            name=name,
            description=description or "",
            latest=1,
            revision=1,
            owner_id=principal.user_id,
            created_at=now,
            changed_at=now,
        )
        if not await self._objects.add_unless_taken(row):
            raise self._kind.taken(name)
        version = await self._add_version(principal, row, content)
        await self.note(principal, "put", name, version=1)
        return VersionedView(row, version), True

    async def _add_version(
        self, principal: Principal, row: Any, content: Mapping[str, Any]
    ) -> Any:
        version = self._kind.new_version(
            row.id,
            id=new_id(),
            number=row.latest,
            created_at=self._clock.now(),
            created_by=principal.user_id,
            **content,
        )
        await self._objects.add(version)
        return version

    async def get(
        self, principal: Principal, name: str, version: int | None = None
    ) -> VersionedView:
        """An object through one version, the latest by default."""
        row = readable(
            await self._objects.find(name), principal, self._kind.missing(name)
        )
        number = row.latest if version is None else version
        shown = await self._objects.find_version(row.id, number)
        if shown is None:
            raise self._kind.missing_version(name, number)
        return VersionedView(row, shown)

    async def get_writable(self, principal: Principal, name: str) -> VersionedView:
        """An object that the caller may change."""
        view = await self.get(principal, name)
        ensure_may_write(view.object, principal)
        return view

    async def list_page(
        self, principal: Principal, cursor: str | None, limit: int
    ) -> Page[VersionedView]:
        purpose = f"{self._kind.word}s"
        after = self._cursors.decode(purpose, cursor) if cursor else None
        rows = await self._objects.list_page(principal, after=after, limit=limit)
        views = [VersionedView(row, version) for row, version in rows]
        return self._cursors.page(purpose, views, limit, lambda view: view.name)

    async def list_versions(
        self, principal: Principal, name: str, cursor: str | None, limit: int
    ) -> Page[VersionedView]:
        row = (await self.get(principal, name)).object
        purpose = f"{self._kind.word}-versions:{row.id}"
        before = self._cursors.decode(purpose, cursor) if cursor else None
        found = await self._objects.list_versions(row.id, before=before, limit=limit)
        views = [VersionedView(row, version) for version in found]
        return self._cursors.page(purpose, views, limit, lambda view: view.version)

    async def change(
        self,
        principal: Principal,
        name: str,
        values: dict[str, Any],
        if_match: str | None,
    ) -> VersionedView:
        """Change the description or the sharing; makes no version.

        Raises:
            PreconditionFailed: `if_match` is not the current ETag.
            PersonUnknown: A reader or writer has no account.
        """
        view = await self.get_writable(principal, name)
        row, shares = view.object, values.keys() - {"description"}
        if shares:
            ensure_may_share(row, principal)
        _demand_match(row, if_match)
        if self._people is not None:
            for people in values.keys() & {"readers", "writers"}:
                values[people] = await self._people(values[people], f"/{people}")
        revision = row.revision if if_match not in (None, "*") else None
        if values and not await self._objects.change(row, revision, values):
            raise _changed()
        if shares:
            await self.note(principal, "share", name, visibility=row.visibility)
        return await self.get(principal, name)

    async def delete(
        self, principal: Principal, name: str, if_match: str | None = None
    ) -> None:
        """Delete an object with all its versions."""
        view = await self.get_writable(principal, name)
        _demand_match(view.object, if_match)
        await self._objects.delete(view.object)
        await self.note(principal, "delete", name)

    async def note(
        self, principal: Principal, action: str, name: str, **detail: Any
    ) -> None:
        """Write what somebody did into the audit log."""
        if self._audit is not None:
            await self._audit.record(
                f"{self._kind.word}.{action}",
                principal,
                kind=self._kind.word,
                object_id=name,
                **detail,
            )


def _demand_match(row: Any, if_match: str | None) -> None:
    if if_match not in (None, "*", f'"{row.id}-{row.revision}"'):
        raise _changed()


def _changed() -> PreconditionFailed:
    return PreconditionFailed("It was changed by someone else; read it again.")
