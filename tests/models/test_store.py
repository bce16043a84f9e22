"""Numbers, aliases and the epoch under concurrency, on each kind of database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from foretell.core.db import Base, Database
from foretell.core.ids import new_id
from foretell.models.serving import ServedModels
from foretell.models.store import ModelStore
from foretell.models.tables import (
    Model,
    ModelAlias,
    ModelAliasMove,
    ModelsEpoch,
    ModelVersion,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TABLES: list[Any] = [
    table.__table__
    for table in (Model, ModelVersion, ModelAlias, ModelAliasMove, ModelsEpoch)
]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    async with opened.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=TABLES)
    yield opened
    await opened.close()


async def make(database: Database, name: str) -> str:
    model = Model(id=new_id(), name=name, owner_id="u", created_at=NOW, updated_at=NOW)
    async with database.writing() as session:
        store = ModelStore(session)
        assert await store.add(model)
        model.stamp = await store.raise_epoch()
    return model.id


async def test_numbers_given_side_by_side_have_no_gap(database: Database):
    model_id = await make(database, "iris")

    async def publish(fails: bool) -> int | None:
        try:
            async with database.writing() as session:
                number = await ModelStore(session).give_number(model_id)
                if fails:
                    raise LookupError
                return number
        except LookupError:
            return None

    given = await asyncio.gather(*(publish(n % 3 == 0) for n in range(9)))
    assert sorted(n for n in given if n is not None) == [1, 2, 3, 4, 5, 6]
    async with database.writing() as session:
        assert await ModelStore(session).give_number("none") is None


async def test_a_taken_name_leaves_the_transaction_usable(database: Database):
    await make(database, "iris")
    async with database.writing() as session:
        store = ModelStore(session)
        taken = Model(
            id=new_id(), name="iris", owner_id="u", created_at=NOW, updated_at=NOW
        )
        assert not await store.add(taken)
        assert await store.raise_epoch() == 2


async def test_readers_meet_exactly_what_changed(database: Database):
    served = ServedModels(database)
    assert await served.changes(0) is None
    first, second = await make(database, "a"), await make(database, "b")
    everything = await served.changes(-1)
    assert everything is not None
    assert {model.id for model in everything.models} == {first, second}
    assert await served.changes(everything.epoch) is None
    async with database.writing() as session:
        store = ModelStore(session)
        await store.move_alias(second, "champion", 1, by="u", at=NOW)
        model = await store.find("b", lock=True)
        assert model is not None
        model.latest, model.stamp = 1, await store.raise_epoch()
    changed = await served.changes(everything.epoch)
    assert changed is not None
    assert [(m.name, m.default) for m in changed.models] == [("b", 1)]
    async with database.writing() as session:
        store = ModelStore(session)
        found = await store.find("a", lock=True)
        assert found is not None
        await store.raise_epoch()
        await store.remove(found)
    gone = await served.changes(changed.epoch)
    assert gone is not None
    assert (gone.models, gone.ids) == ([], frozenset({second}))
