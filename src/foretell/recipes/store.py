"""Every statement about recipes and the runs that follow a dataset by themselves."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.versioned_store import VersionedStore
from foretell.datasets.tables import Dataset
from foretell.recipes.tables import AutomaticRun, Recipe, RecipeVersion


class RecipeStore(VersionedStore):
    """Reads and writes recipes in one session."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, Recipe, RecipeVersion, "recipe_id")

    async def delete(self, row: Recipe) -> None:
        await self.session.execute(
            delete(AutomaticRun).where(AutomaticRun.recipe_id == row.id)
        )
        await super().delete(row)

    async def find_automatic_run(
        self, dataset_id: str, recipe_id: str
    ) -> AutomaticRun | None:
        statement = select(AutomaticRun).where(
            AutomaticRun.dataset_id == dataset_id, AutomaticRun.recipe_id == recipe_id
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def automatic_runs(
        self, dataset_id: str
    ) -> list[tuple[AutomaticRun, Recipe]]:
        """Those of a dataset, in the order they were asked for."""
        statement = (
            select(AutomaticRun, Recipe)
            .join(Recipe, Recipe.id == AutomaticRun.recipe_id)
            .where(AutomaticRun.dataset_id == dataset_id)
            .order_by(AutomaticRun.id)
        )
        return [(run, recipe) for run, recipe in await self.session.execute(statement)]

    async def outputs_of(self, names: Sequence[str]) -> set[str]:
        """Outputs of the automatic runs of the datasets of these names."""
        statement = (
            select(AutomaticRun.output)
            .join(Dataset, Dataset.id == AutomaticRun.dataset_id)
            .where(Dataset.name.in_(names))
        )
        return set(await self.session.scalars(statement))

    async def remove_automatic_run(self, dataset_id: str, recipe_id: str) -> bool:
        """Forget one; false if there is none."""
        result: Any = await self.session.execute(
            delete(AutomaticRun).where(
                AutomaticRun.dataset_id == dataset_id,
                AutomaticRun.recipe_id == recipe_id,
            )
        )
        return bool(result.rowcount)
