"""Every statement on the tables of trained models, within one session."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, event, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.ownership import visible_to
from foretell.core.db import is_unique_violation
from foretell.core.ids import new_id
from foretell.core.principal import Principal
from foretell.models.tables import (
    Model,
    ModelAlias,
    ModelAliasMove,
    ModelsEpoch,
    ModelVersion,
)

_EPOCH = 1


def stored_bytes_of(user_id: str) -> Select[int]:
    """What the artifacts of a user's models take, for the storage quota."""
    total = func.coalesce(func.sum(ModelVersion.bytes), 0)
    of_model = Model.id == ModelVersion.model_id
    return (
        select(total)
        .select_from(ModelVersion)
        .join(Model, of_model)
        .where(Model.owner_id == user_id)
    )


class ModelStore:
    """The tables of trained models, seen through one session; it never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have `call` called once the transaction is committed."""
        target = self._session.sync_session
        event.listen(target, "after_commit", lambda _session: call(), once=True)

    # --- models ------------------------------------------------------------------

    async def find(self, name: str, *, lock: bool = False) -> Model | None:
        """The model of that name; `lock` holds it until the transaction ends."""
        statement = select(Model).where(Model.name == name)
        if lock:  # BEGIN IMMEDIATE has done it on SQLite, which ignores FOR UPDATE
            statement = statement.with_for_update()
            statement = statement.execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_by_id(self, model_id: str) -> Model | None:
        return await self._session.get(Model, model_id, populate_existing=True)

    async def add(self, model: Model) -> bool:
        """Store a new model; false when its name is taken."""
        try:
            async with self._session.begin_nested():
                self._session.add(model)
                await self._session.flush()
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            return False
        return True

    async def page(
        self,
        principal: Principal,
        *,
        names: frozenset[str] | None,
        after: str | None,
        limit: int,
    ) -> list[Model]:
        """Models by name, after the name `after`; one more than `limit` if there are.

        Args:
            names: Only these, where the credential is narrowed to some.
        """
        statement = select(Model).where(visible_to(Model, principal))
        if names is not None:
            statement = statement.where(Model.name.in_(sorted(names)))
        if after is not None:
            statement = statement.where(Model.name > after)
        statement = statement.order_by(Model.name).limit(limit + 1)
        return list(await self._session.scalars(statement))

    async def remove(self, model: Model) -> None:
        for table in (ModelAliasMove, ModelAlias, ModelVersion):
            statement = delete(table).where(table.model_id == model.id)
            await self._session.execute(statement)
        await self._session.delete(model)
        await self._session.flush()

    async def flush(self) -> None:
        await self._session.flush()

    # --- versions ----------------------------------------------------------------

    async def give_number(self, model_id: str) -> int | None:
        """Lock the model and give its next version number; `None`: no such model."""
        given = await self._session.execute(
            update(Model)
            .where(Model.id == model_id)
            .values(latest=Model.latest + 1)
            .execution_options(synchronize_session=False)
        )
        if not _changed(given):
            return None
        number = select(Model.latest).where(Model.id == model_id)
        return (await self._session.scalars(number)).one()

    async def add_version(self, version: ModelVersion) -> None:
        self._session.add(version)
        await self._session.flush()

    async def version(self, model_id: str, number: int) -> ModelVersion | None:
        statement = select(ModelVersion).where(
            ModelVersion.model_id == model_id, ModelVersion.number == number
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def find_version(self, version_id: str) -> ModelVersion | None:
        return await self._session.get(ModelVersion, version_id)

    async def versions(
        self, model_id: str, *, before: int | None, limit: int
    ) -> list[ModelVersion]:
        """Versions from the newest on, below the number `before`; one more than
        `limit` when there are more."""
        statement = select(ModelVersion).where(ModelVersion.model_id == model_id)
        if before is not None:
            statement = statement.where(ModelVersion.number < before)
        statement = statement.order_by(ModelVersion.number.desc()).limit(limit + 1)
        return list(await self._session.scalars(statement))

    async def numbers(self, model_id: str, *, limit: int) -> list[int]:
        """The numbers of the newest versions, ascending."""
        statement = select(ModelVersion.number).where(ModelVersion.model_id == model_id)
        newest = statement.order_by(ModelVersion.number.desc()).limit(limit)
        return sorted(await self._session.scalars(newest))

    # --- aliases -----------------------------------------------------------------

    async def alias(self, model_id: str, name: str) -> ModelAlias | None:
        statement = select(ModelAlias).where(
            ModelAlias.model_id == model_id, ModelAlias.name == name
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def aliases(self, model_ids: Sequence[str]) -> list[ModelAlias]:
        """The aliases of several models, by name."""
        statement = select(ModelAlias).where(ModelAlias.model_id.in_(model_ids))
        return list(await self._session.scalars(statement.order_by(ModelAlias.name)))

    async def move_alias(
        self, model_id: str, name: str, number: int | None, *, by: str, at: datetime
    ) -> ModelAlias | None:
        """Point an alias at a version, or remove it; the move goes to the history."""
        found = await self.alias(model_id, name)
        previous = found.number if found else None
        if found is None and number is not None:
            found = ModelAlias(
                id=new_id(),
                model_id=model_id,
                name=name,
                number=number,
                moved_at=at,
                moved_by=by,
            )
            self._session.add(found)
        elif found is not None and number is not None:
            found.number, found.moved_at, found.moved_by = number, at, by
        elif found is not None:
            await self._session.delete(found)
        move = ModelAliasMove(
            id=new_id(),
            model_id=model_id,
            name=name,
            previous=previous,
            number=number,
            moved_at=at,
            moved_by=by,
        )
        self._session.add(move)
        await self._session.flush()
        return found if number is not None else None

    async def moves(
        self, model_id: str, name: str, *, before: str | None, limit: int
    ) -> list[ModelAliasMove]:
        """Moves of one alias from the newest on; one more than `limit` if there are."""
        statement = select(ModelAliasMove).where(
            ModelAliasMove.model_id == model_id, ModelAliasMove.name == name
        )
        if before is not None:
            statement = statement.where(ModelAliasMove.id < before)
        statement = statement.order_by(ModelAliasMove.id.desc()).limit(limit + 1)
        return list(await self._session.scalars(statement))

    # --- what predictions watch --------------------------------------------------

    async def raise_epoch(self) -> int:
        """Say that something changed which a prediction could see."""
        raised = (
            update(ModelsEpoch)
            .where(ModelsEpoch.id == _EPOCH)
            .values(value=ModelsEpoch.value + 1)
            .execution_options(synchronize_session=False)
        )
        if not _changed(await self._session.execute(raised)):
            await self._first_epoch()
            await self._session.execute(raised)
        return await self.epoch()

    async def epoch(self) -> int:
        """The epoch now; 0 before the first change."""
        statement = select(ModelsEpoch.value).where(ModelsEpoch.id == _EPOCH)
        return (await self._session.scalars(statement)).one_or_none() or 0

    async def ids(self) -> frozenset[str]:
        """Of every model."""
        return frozenset(await self._session.scalars(select(Model.id)))

    async def changed_since(self, epoch: int) -> list[Model]:
        """Models that changed after `epoch`."""
        statement = select(Model).where(Model.stamp > epoch)
        return list(await self._session.scalars(statement))

    async def _first_epoch(self) -> None:
        try:
            async with self._session.begin_nested():
                self._session.add(ModelsEpoch(id=_EPOCH, value=0))
                await self._session.flush()
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise


def _changed(result: Any) -> bool:
    return bool(result.rowcount)
