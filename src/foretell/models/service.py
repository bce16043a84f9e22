"""What can be done with trained models: one method a use case."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from foretell.auth.audit import Audit
from foretell.auth.ownership import ensure_may_share, ensure_may_write, readable
from foretell.core.clock import Clock
from foretell.core.ids import new_id
from foretell.core.pagination import Cursors, Page
from foretell.core.principal import Principal, Scope
from foretell.jobs.service import JobsService
from foretell.jobs.tables import Job
from foretell.models.changes import Changes
from foretell.models.errors import (
    AliasReserved,
    ModelChanged,
    ModelNameTaken,
    ModelNotFound,
    ModelScopeMissing,
    ModelVersionNotFound,
    TrafficInvalid,
)
from foretell.models.importing import Inspected, Uploaded
from foretell.models.store import ModelStore
from foretell.models.tables import Model, ModelVersion
from foretell.models.versions import may_be_alias, number_of
from foretell.models.views import (
    AliasView,
    HistoryView,
    ModelView,
    MoveView,
    VersionView,
)

IMPORT_TASK = "models.import"
REMOVE_TASK = "models.remove"
_SHARING = frozenset({"visibility", "readers", "writers"})


People = Callable[[list[str], str], Awaitable[list[str]]]
# `(id of a user, bytes)`: refuses what exceeds the user's quota.
Refuse = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the service needs beside its own store.

    Attributes:
        audit, people: For changes that somebody asks for; a job has neither.
            `people` turns ids and e-mails into user ids.
    """

    jobs: JobsService
    changes: Changes
    clock: Clock
    cursors: Cursors
    refuse: Refuse
    audit: Audit | None = None
    people: People | None = None


class ModelsService:
    """Use cases of models, in the unit of work of one request or job."""

    def __init__(self, store: ModelStore, around: Surroundings) -> None:
        self._store = store
        self._jobs = around.jobs
        self._audit = around.audit
        self._people = around.people
        self._changes = around.changes
        self._clock = around.clock
        self._refuse = around.refuse
        self._cursors = around.cursors

    # --- models ------------------------------------------------------------------

    async def put(
        self, principal: Principal, name: str, description: str | None
    ) -> tuple[ModelView, bool]:
        """Make a model, or describe the one there is; says whether it is new.

        Raises:
            ModelNameTaken: Somebody has the name whose model the caller cannot see.
        """
        _demand(principal, Scope.MODELS_WRITE, name)
        found = await self._store.find(name)
        if found is None:
            made = await self._make(principal, name, description or "")
            return ModelView(made, ()), True
        row = readable(found, principal, ModelNameTaken(name))
        ensure_may_write(row, principal)
        if description is not None and description != row.description:
            await self._touch(row, description=description)
        return await self._view(row), False

    async def get(self, principal: Principal, name: str) -> ModelView:
        _demand(principal, Scope.MODELS_READ, name)
        row = readable(await self._store.find(name), principal, ModelNotFound(name))
        # A version that a worker has just published answers the next prediction.
        self._changes.saw(row.stamp)
        return await self._view(row)

    async def list_page(
        self, principal: Principal, cursor: str | None, limit: int
    ) -> Page[ModelView]:
        """Models that the caller may see, by name."""
        after = self._cursors.decode("models", cursor) if cursor else None
        rows = await self._store.page(
            principal,
            names=_narrowed(principal, Scope.MODELS_READ),
            after=after,
            limit=limit,
        )
        shown = rows[:limit]
        aliases = await self._store.aliases([row.id for row in shown])
        views = [
            ModelView(row, [a for a in aliases if a.model_id == row.id])
            for row in shown
        ]
        more = len(rows) > limit
        return Page(
            views, self._cursors.encode("models", shown[-1].name) if more else None
        )

    async def change(
        self,
        principal: Principal,
        name: str,
        values: dict[str, Any],
        if_match: str | None = None,
    ) -> ModelView:
        """Change description or sharing.

        Raises:
            ModelChanged: `if_match` is not the current ETag.
            NotYours: Sharing is for the owner and admins.
        """
        row = await self._writable(principal, name)
        if _SHARING & values.keys():
            ensure_may_share(row, principal)
            values = await self._with_people(values)
        view = await self._view(row)
        if if_match not in (None, "*", view.etag):
            raise ModelChanged
        await self._touch(row, **values)
        if _SHARING & values.keys():
            await self._stamp(row)
            await self._note(principal, "model.share", name, visibility=row.visibility)
        return await self._view(row)

    async def delete(
        self, principal: Principal, name: str, if_match: str | None = None
    ) -> None:
        """Delete a model with all versions; a job removes the files."""
        row = await self._writable(principal, name)
        ensure_may_share(row, principal)
        if if_match not in (None, "*", (await self._view(row)).etag):
            raise ModelChanged
        await self._stamp(row)
        await self._store.remove(row)
        await self._jobs.submit(
            REMOVE_TASK, {"prefix": f"models/{row.id}/"}, owner_id=None
        )
        await self._note(principal, "model.delete", name)

    # --- versions ----------------------------------------------------------------

    async def check_upload(
        self, principal: Principal, name: str, *, wants_trust: bool
    ) -> None:
        """Refuse an upload early that would be refused in the end.

        Raises:
            ModelScopeMissing: `wants_trust` without the scope `models:trust`.
            ModelNotFound: The name is a model that the caller cannot see.
        """
        _demand(principal, Scope.MODELS_WRITE, name)
        if wants_trust:
            _demand(principal, Scope.MODELS_TRUST, name)
        found = await self._store.find(name)
        if found is not None:
            ensure_may_write(readable(found, principal, ModelNotFound(name)), principal)

    async def target_of(self, principal: Principal, name: str) -> tuple[str, str]:
        """Ids of the model, made if absent, and of a version to be; after
        `check_upload`."""
        found = await self._store.find(name)
        if found is None:
            found = await self._make(principal, name, "")
        return found.id, new_id()

    async def submit(self, principal: Principal, uploaded: Uploaded) -> Job:
        """Start the inspection of a stored upload."""
        return await self._jobs.submit(
            IMPORT_TASK,
            uploaded,
            owner_id=principal.user_id,
            target=f"/api/models/{uploaded.model}/versions/latest",
        )

    async def publish(self, uploaded: Uploaded, found: Inspected, by: str) -> int:
        """Give the next number to what was inspected; in the transaction that
        completes the job, so a number is used exactly when the version is there.

        Raises:
            ModelNotFound: The model was deleted meanwhile.
            QuotaExceeded: Its owner may not keep so much.
        """
        number = await self._store.give_number(uploaded.model_id)
        row = await self._store.find_by_id(uploaded.model_id)
        if number is None or row is None:
            raise ModelNotFound(uploaded.model)
        await self._refuse(row.owner_id, uploaded.bytes)
        version = ModelVersion(
            id=uploaded.version_id,
            model_id=row.id,
            number=number,
            created_at=self._clock.now(),
            created_by=by,
            state="published",
            **found.columns(uploaded),
        )
        await self._store.add_version(version)
        await self._touch(row)
        await self._stamp(row)
        return number

    async def get_version(
        self, principal: Principal, name: str, reference: str | int | None
    ) -> VersionView:
        """A version by number, alias or `latest`; by default the one that answers."""
        model = await self.get(principal, name)
        number = number_of(reference, model.row.latest, model.aliases)
        row = await self._store.version(model.row.id, number or 0)
        if row is None:
            raise ModelVersionNotFound(name, reference)
        return VersionView(model, row)

    async def list_versions(
        self, principal: Principal, name: str, cursor: str | None, limit: int
    ) -> Page[VersionView]:
        """Versions of a model, newest first."""
        model = await self.get(principal, name)
        purpose = f"model-versions:{model.row.id}"
        before = self._cursors.decode(purpose, cursor) if cursor else None
        rows = await self._store.versions(model.row.id, before=before, limit=limit)
        views = [VersionView(model, row) for row in rows]
        return self._cursors.page(purpose, views, limit, lambda view: view.version)

    # --- aliases -----------------------------------------------------------------

    async def list_aliases(self, principal: Principal, name: str) -> list[AliasView]:
        model = await self.get(principal, name)
        return [AliasView.of(a) for a in await self._store.aliases([model.row.id])]

    async def alias_history(
        self,
        principal: Principal,
        name: str,
        alias: str,
        *,
        cursor: str | None,
        limit: int,
    ) -> HistoryView:
        """Where an alias points and pointed; also of one that was removed."""
        model = await self.get(principal, name)
        purpose = f"alias:{model.row.id}:{alias}"
        before = self._cursors.decode(purpose, cursor) if cursor else None
        rows = await self._store.moves(model.row.id, alias, before=before, limit=limit)
        if not rows and before is None:
            raise ModelVersionNotFound(name, alias)
        shown = rows[:limit]
        more = len(rows) > limit
        end = self._cursors.encode(purpose, shown[-1].id) if more else None
        moves = [MoveView.of(row) for row in shown]
        return HistoryView(alias, model.aliases.get(alias), moves, end)

    async def set_alias(
        self, principal: Principal, name: str, alias: str, reference: str | int
    ) -> AliasView:
        """Point an alias at a version; the next prediction uses it.

        Raises:
            AliasReserved: `latest`, or digits only.
            ModelVersionNotFound: There is no such version.
        """
        if not may_be_alias(alias):
            raise AliasReserved(alias)
        row = await self._writable(principal, name)
        model = await self._view(row)
        number = self._number(model, reference)
        return AliasView.of(await self._move(principal, row, alias, number))

    async def delete_alias(self, principal: Principal, name: str, alias: str) -> None:
        """Remove an alias; its history stays."""
        row = await self._writable(principal, name)
        if await self._store.alias(row.id, alias) is None:
            raise ModelVersionNotFound(name, alias)
        await self._move(principal, row, alias, None)

    # --- traffic -----------------------------------------------------------------

    async def set_traffic(
        self,
        principal: Principal,
        name: str,
        routes: Sequence[tuple[str | int, int]],
        shadow: Sequence[str | int],
    ) -> ModelView:
        """Split the calls that name no version; the next prediction follows.

        Args:
            routes: Version and weight of each; none: the default version answers.
            shadow: Versions that score the same calls off the path of the answer.

        Raises:
            ModelVersionNotFound: There is no such version.
            TrafficInvalid: A version is named twice, or no route has a weight.
        """
        row = await self._writable(principal, name)
        model = await self._view(row)
        numbers = [self._number(model, version) for version, _ in routes]
        shadows = [self._number(model, version) for version in shadow]
        _demand_once(numbers, "/routes")
        _demand_once(shadows, "/shadow")
        if routes and not any(weight for _, weight in routes):
            raise TrafficInvalid("/routes", "At least one weight is above 0.")
        traffic: dict[str, Any] | None = None
        if numbers or shadows:
            traffic = {
                "routes": [
                    {"version": number, "weight": weight}
                    for number, (_, weight) in zip(numbers, routes, strict=True)
                ],
                "shadow": shadows,
            }
        await self._touch(row, traffic=traffic)
        await self._stamp(row)
        await self._note(principal, "model.traffic", name, traffic=traffic)
        return await self._view(row)

    def _number(self, model: ModelView, reference: str | int) -> int:
        number = number_of(reference, model.row.latest, model.aliases)
        if number is None:
            raise ModelVersionNotFound(model.name, reference)
        return number

    # --- parts -------------------------------------------------------------------

    async def _move(
        self, principal: Principal, row: Model, alias: str, number: int | None
    ) -> Any:
        now = self._clock.now()
        moved = await self._store.move_alias(
            row.id, alias, number, by=principal.user_id, at=now
        )
        await self._touch(row)
        await self._stamp(row)
        await self._note(
            principal, "model.alias", row.name, alias=alias, version=number
        )
        return moved

    async def _make(self, principal: Principal, name: str, description: str) -> Model:
        now = self._clock.now()
        row = Model(
            id=new_id(),
            name=name,
            description=description,
            latest=0,
            stamp=0,
            revision=1,
            owner_id=principal.user_id,
            visibility="private",
            readers=[],
            writers=[],
            created_at=now,
            updated_at=now,
        )
        if not await self._store.add(row):
            raise ModelNameTaken(name)
        await self._stamp(row)
        await self._note(principal, "model.create", name)
        return row

    async def _writable(self, principal: Principal, name: str) -> Model:
        """The model, locked until the end of the unit of work."""
        _demand(principal, Scope.MODELS_WRITE, name)
        found = await self._store.find(name, lock=True)
        row = readable(found, principal, ModelNotFound(name))
        ensure_may_write(row, principal)
        return row

    async def _view(self, row: Model) -> ModelView:
        return ModelView(row, await self._store.aliases([row.id]))

    async def _with_people(self, values: dict[str, Any]) -> dict[str, Any]:
        """`values` with readers and writers as user ids."""
        if self._people is None:
            return values
        named = values.keys() & {"readers", "writers"}
        return values | {n: await self._people(values[n], f"/{n}") for n in named}

    async def _touch(self, row: Model, **values: Any) -> None:
        for name, value in values.items():
            setattr(row, name, value)
        row.revision += 1
        row.updated_at = self._clock.now()
        await self._store.flush()

    async def _stamp(self, row: Model) -> None:
        """Let predictions see that the model changed, once this commits."""
        row.stamp = await self._store.raise_epoch()
        await self._store.flush()
        self._announce(row.stamp)

    async def _note(
        self, principal: Principal, action: str, name: str, **detail: Any
    ) -> None:
        if self._audit is not None:
            await self._audit.record(
                action, principal, kind="model", object_id=name, **detail
            )

    def _announce(self, stamp: int) -> None:
        self._store.after_commit(lambda: self._changes.saw(stamp))


def _demand_once(numbers: Sequence[int], pointer: str) -> None:
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise TrafficInvalid(
                f"{pointer}/{place}", f"Version {number} is named twice."
            )


def _demand(principal: Principal, scope: Scope, name: str) -> None:
    """Refuse a credential that is narrowed to other models."""
    if not principal.may(scope, name):
        raise ModelScopeMissing(str(scope), name)


def _narrowed(principal: Principal, scope: Scope) -> frozenset[str] | None:
    """The models that a narrowed credential names; `None`: not narrowed."""
    if principal.may(scope):
        return None
    prefix = f"{scope}:"
    return frozenset(
        s.removeprefix(prefix) for s in principal.scopes if s.startswith(prefix)
    )
