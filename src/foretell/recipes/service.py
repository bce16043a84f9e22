"""What can be done with recipes: one method a use case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foretell.auth.versioned import Kind, VersionedObjects, VersionedView
from foretell.core.ids import new_id
from foretell.core.principal import Principal, Scope
from foretell.datasets.service import DatasetsService
from foretell.errors import Forbidden
from foretell.jobs.service import JobsService
from foretell.jobs.tables import Job
from foretell.recipes.errors import (
    AutomaticRunNotFound,
    RecipeCycle,
    RecipeNameTaken,
    RecipeNotFound,
    RecipeVersionNotFound,
)
from foretell.recipes.recipe import Recipe as ReadRecipe
from foretell.recipes.running import RUN_TASK, Prepared, RecipeRunner
from foretell.recipes.store import RecipeStore
from foretell.recipes.tables import AutomaticRun, Recipe, RecipeVersion

KIND = Kind(
    word="recipe",
    new=Recipe,
    new_version=lambda recipe_id, **values: RecipeVersion(
        recipe_id=recipe_id, **values
    ),
    missing=RecipeNotFound,
    missing_version=RecipeVersionNotFound,
    taken=RecipeNameTaken,
)


@dataclass(frozen=True, slots=True)
class RunWish:
    """Which recipe is to run on which dataset, where to.

    Attributes:
        version: Of the dataset; the current one without.
        recipe_version: The latest one without.
        output: The dataset itself without.
    """

    dataset: str
    recipe: str
    version: int | None = None
    recipe_version: int | None = None
    output: str | None = None

    @property
    def target(self) -> str:
        return self.output or self.dataset


class RecipesService(VersionedObjects):
    """Recipes in the unit of work of one request or job."""

    def __init__(
        self,
        store: RecipeStore,
        runner: RecipeRunner,
        datasets: DatasetsService,
        jobs: JobsService,
        **parts: Any,
    ) -> None:
        super().__init__(KIND, store, **parts)
        self._store = store
        self._runner = runner
        self._datasets = datasets
        self._jobs = jobs

    async def put(
        self,
        principal: Principal,
        name: str,
        steps: list[Any],
        checks: list[Any],
        *,
        description: str | None,
        if_match: str | None,
    ) -> tuple[VersionedView, bool]:
        """Make a recipe or its next version; answers whether it is new.

        Raises:
            RecipeInvalid: With a pointer for everything that is wrong.
        """
        demand_scope(principal, Scope.DATASETS_WRITE)
        content = self._runner.read(steps, checks).to_json()
        return await self.put_content(
            principal, name, content, description=description, if_match=if_match
        )

    async def prepare(self, principal: Principal, wish: RunWish) -> Prepared:
        """Find everything that a run needs and plan it.

        Raises:
            RecipeNotFound, DatasetNotFound: Not there for the caller.
            RecipeInvalid: The recipe does not fit the dataset.
        """
        view = await self.get(principal, wish.recipe, wish.recipe_version)
        recipe = self._runner.read(view.shown.steps, view.shown.checks)
        source = await self._datasets.get(principal, wish.dataset, wish.version)
        others = await self._others(principal, recipe)
        prepared = Prepared(recipe, source, others)
        self._runner.plan(prepared)
        return prepared

    async def _others(
        self, principal: Principal, recipe: ReadRecipe
    ) -> Mapping[str, Any]:
        found = {}
        for pointer, part in recipe.parts():
            named = part.names_dataset()
            if named is not None:
                found[pointer] = await self._datasets.get(principal, *named)
        return found

    async def start(
        self, principal: Principal, wish: RunWish, *, is_automatic: bool
    ) -> Job:
        """Start a run, and one for every new version if wanted.

        The version of the recipe and of the dataset are settled now, so what runs is
        what was looked at.
        """
        prepared = await self.prepare(principal, wish)
        recipe = await self.get(principal, wish.recipe, wish.recipe_version)
        if is_automatic:
            await self._follow(principal, wish, prepared, recipe.object)
        args = {
            "dataset": wish.dataset,
            "recipe": wish.recipe,
            "version": prepared.source.version,
            "recipe_version": recipe.version,
            "output": wish.target,
        }
        target = f"/api/datasets/{wish.target}"
        return await self._jobs.request(principal, RUN_TASK, args, target=target)

    # --- automatic runs ---------------------------------------------------------

    async def _follow(
        self, principal: Principal, wish: RunWish, prepared: Prepared, recipe: Recipe
    ) -> None:
        await self._demand_no_cycle(wish)
        dataset = prepared.source.dataset
        await self._store.remove_automatic_run(dataset.id, recipe.id)
        await self._store.add(
            AutomaticRun(
                id=new_id(),
                dataset_id=dataset.id,
                recipe_id=recipe.id,
                recipe_version=wish.recipe_version,
                output=wish.target,
                owner_id=principal.user_id,
                created_at=self._clock.now(),
            )
        )
        detail = {"dataset": wish.dataset, "output": wish.target}
        await self.note(principal, "follow", wish.recipe, **detail)

    async def _demand_no_cycle(self, wish: RunWish) -> None:
        reached, edge = {wish.target}, {wish.target}
        while edge:
            if wish.dataset in edge:
                raise RecipeCycle(wish.dataset, wish.target)
            edge = await self._store.outputs_of(sorted(edge)) - reached
            reached |= edge

    async def automatic_runs(
        self, principal: Principal, dataset: str
    ) -> list[tuple[AutomaticRun, Recipe]]:
        """The recipes that run by themselves on a dataset."""
        view = await self._datasets.get(principal, dataset)
        return await self._store.automatic_runs(view.dataset.id)

    async def stop_automatic_run(
        self, principal: Principal, dataset: str, recipe: str
    ) -> None:
        """Let a recipe run by itself no longer."""
        found = await self._datasets.get_writable(principal, dataset)
        row = await self._store.find(recipe)
        removed = row is not None and await self._store.remove_automatic_run(
            found.id, row.id
        )
        if not removed:
            raise AutomaticRunNotFound(dataset, recipe)
        await self.note(principal, "unfollow", recipe, dataset=dataset)

    async def start_followers(self, dataset_id: str, name: str, version: int) -> None:
        """Start the automatic runs of a dataset on its new version."""
        for run, recipe in await self._store.automatic_runs(dataset_id):
            args = {
                "dataset": name,
                "recipe": recipe.name,
                "version": version,
                "recipe_version": run.recipe_version,
                "output": run.output,
            }
            await self._jobs.submit(
                RUN_TASK,
                args,
                owner_id=run.owner_id,
                unique_key=f"{run.id}:{version}",
                target=f"/api/datasets/{run.output}",
            )


def demand_scope(principal: Principal, scope: Scope) -> None:
    """Refuse a credential that has the scope for single datasets only: a recipe is
    none of them."""
    if not principal.may(scope):
        raise Forbidden(f"This needs the scope {scope}.", scope=str(scope))
