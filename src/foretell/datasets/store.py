"""Every statement about datasets and their versions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.ownership import visible_to
from foretell.core.db import is_unique_violation
from foretell.core.principal import Principal
from foretell.datasets.tables import Dataset, DatasetVersion


def stored_bytes_of(user_id: str) -> Select[int]:
    """What all versions of a user's datasets take, for the storage quota."""
    total = func.coalesce(func.sum(DatasetVersion.stored_bytes), 0)
    of_dataset = Dataset.id == DatasetVersion.dataset_id
    return (
        select(total)
        .select_from(DatasetVersion)
        .join(Dataset, of_dataset)
        .where(Dataset.owner_id == user_id)
    )


class DatasetStore:
    """Reads and writes datasets in one session."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def find(self, name: str, principal: Principal) -> Dataset | None:
        """The published dataset of that name, if the caller may see it."""
        statement = select(Dataset).where(
            Dataset.name == name,
            Dataset.current.is_not(None),
            visible_to(Dataset, principal),
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def find_with_version(
        self, name: str, principal: Principal, number: int | None
    ) -> tuple[Dataset, DatasetVersion | None] | None:
        """The same with one of its versions, the current one by default, if there is one.

        One statement, because every page of rows begins with this question.
        """
        wanted = Dataset.current if number is None else literal(number)
        statement = (
            select(Dataset, DatasetVersion)
            .outerjoin(
                DatasetVersion,
                (DatasetVersion.dataset_id == Dataset.id)
                & (DatasetVersion.number == wanted),
            )
            .where(
                Dataset.name == name,
                Dataset.current.is_not(None),
                visible_to(Dataset, principal),
            )
        )
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def list_named(
        self, principal: Principal, names: Sequence[str]
    ) -> Sequence[Dataset]:
        """The published datasets of those names that the caller may see."""
        statement = select(Dataset).where(
            Dataset.name.in_(names),
            Dataset.current.is_not(None),
            visible_to(Dataset, principal),
        )
        return list(await self.session.scalars(statement))

    async def find_any(self, name: str) -> Dataset | None:
        """The dataset of that name, whoever owns it, published or not."""
        statement = select(Dataset).where(Dataset.name == name)
        return (await self.session.scalars(statement)).one_or_none()

    async def find_by_id(self, dataset_id: str) -> Dataset | None:
        return await self.session.get(Dataset, dataset_id, populate_existing=True)

    async def find_version(self, dataset_id: str, number: int) -> DatasetVersion | None:
        statement = select(DatasetVersion).where(
            DatasetVersion.dataset_id == dataset_id, DatasetVersion.number == number
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def find_version_of_job(self, job_id: str) -> DatasetVersion | None:
        statement = select(DatasetVersion).where(DatasetVersion.job_id == job_id)
        return (await self.session.scalars(statement)).one_or_none()

    async def list_page(
        self, principal: Principal, *, after: str | None, limit: int
    ) -> Sequence[tuple[Dataset, DatasetVersion]]:
        """Visible datasets by name with their current version, `limit` + 1 at most."""
        statement = (
            select(Dataset, DatasetVersion)
            .join(
                DatasetVersion,
                (DatasetVersion.dataset_id == Dataset.id)
                & (DatasetVersion.number == Dataset.current),
            )
            .where(visible_to(Dataset, principal))
            .order_by(Dataset.name)
            .limit(limit + 1)
        )
        if after is not None:
            statement = statement.where(Dataset.name > after)
        return [(d, v) for d, v in await self.session.execute(statement)]

    async def list_versions(
        self, dataset_id: str, *, before: int | None, limit: int
    ) -> Sequence[DatasetVersion]:
        """Versions, newest first, `limit` + 1 at most."""
        statement = (
            select(DatasetVersion)
            .where(DatasetVersion.dataset_id == dataset_id)
            .order_by(DatasetVersion.number.desc())
            .limit(limit + 1)
        )
        if before is not None:
            statement = statement.where(DatasetVersion.number < before)
        return list(await self.session.scalars(statement))

    async def add(self, row: Dataset | DatasetVersion) -> None:
        self.session.add(row)
        await self.session.flush()

    async def add_unless_taken(self, dataset: Dataset) -> bool:
        """Insert a dataset; false when another one has its name."""
        try:
            async with self.session.begin_nested():
                self.session.add(dataset)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            return False
        return True

    async def lock(self, dataset_id: str) -> Dataset | None:
        """The dataset, locked for this transaction so that numbers have no gap."""
        statement = select(Dataset).where(Dataset.id == dataset_id)
        # SQLite leaves FOR UPDATE out; there BEGIN IMMEDIATE holds the lock already.
        statement = statement.with_for_update().execution_options(
            populate_existing=True
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def change(
        self, dataset: Dataset, revision: int | None, values: dict[str, Any]
    ) -> bool:
        """Set `values` and raise the revision; false if it is not `revision` now."""
        statement = (
            update(Dataset)
            .where(Dataset.id == dataset.id)
            .values(**values, revision=Dataset.revision + 1)
        )
        if revision is not None:
            statement = statement.where(Dataset.revision == revision)
        result: Any = await self.session.execute(statement)
        await self.session.refresh(dataset)
        return bool(result.rowcount)

    async def delete(self, dataset: Dataset) -> None:
        await self.session.execute(
            delete(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id)
        )
        await self.session.execute(delete(Dataset).where(Dataset.id == dataset.id))


def new_version(
    dataset: Dataset, *, id: str, created_at: datetime, created_by: str, **values: Any
) -> DatasetVersion:
    """The row of the next version of a locked dataset; moves its counters."""
    number = dataset.last_version + 1
    dataset.last_version = number
    dataset.current = number
    dataset.revision += 1
    dataset.job_id = None
    return DatasetVersion(
        id=id,
        dataset_id=dataset.id,
        number=number,
        created_at=created_at,
        created_by=created_by,
        **values,
    )
