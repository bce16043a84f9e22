"""The job that runs a recipe on a dataset version."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from foretell.auth.ownership import ensure_may_write, readable
from foretell.core.ids import new_id
from foretell.core.parts import Parts
from foretell.core.principal import Principal, Scope
from foretell.datasets.composing import datasets_service
from foretell.datasets.errors import (
    DatasetNameTaken,
    DatasetNotFound,
    DatasetVersionNotFound,
)
from foretell.datasets.store import DatasetStore
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry
from foretell.recipes.composing import recipes_service
from foretell.recipes.errors import RecipeNotFound, RecipeVersionNotFound
from foretell.recipes.messages import RunProgress
from foretell.recipes.running import RUN_TASK, Made, RecipeRunner, report_of
from foretell.recipes.service import RunWish
from foretell.recipes.step_base import MAX_NUMBER
from foretell.recipes.store import RecipeStore

tasks = TaskRegistry()


class RunArgs(BaseModel):
    """Which recipe, on which dataset, where to."""

    model_config = ConfigDict(extra="forbid")

    dataset: str
    recipe: str
    version: int | None = Field(None, ge=1, le=MAX_NUMBER)
    recipe_version: int | None = Field(None, ge=1, le=MAX_NUMBER)
    output: str | None = None

    @property
    def wish(self) -> RunWish:
        return RunWish(**self.model_dump())


async def guard(session: Any, principal: Principal, args: RunArgs) -> None:
    """Refuse a job over objects that do not exist for the caller.

    Raises:
        RecipeNotFound, DatasetNotFound, DatasetNameTaken: As it is.
    """
    recipes = RecipeStore(session)
    missing = RecipeNotFound(args.recipe)
    recipe = readable(await recipes.find(args.recipe), principal, missing)
    wanted = args.recipe_version
    if wanted and await recipes.find_version(recipe.id, wanted) is None:
        raise RecipeVersionNotFound(args.recipe, wanted)
    datasets = DatasetStore(session)
    dataset = await datasets.find(args.dataset, principal)
    if dataset is None:
        raise DatasetNotFound(args.dataset)
    if args.version and await datasets.find_version(dataset.id, args.version) is None:
        raise DatasetVersionNotFound(args.dataset, args.version)
    target = args.wish.target
    output = await datasets.find_any(target)
    if output is not None and output.current is not None:
        taken = DatasetNameTaken(target)
        ensure_may_write(readable(output, principal, taken), principal)


def objects_of(args: RunArgs) -> list[tuple[str, str]]:
    return [
        (Scope.DATASETS_READ, args.dataset),
        (Scope.DATASETS_WRITE, args.wish.target),
    ]


@tasks.task(
    RUN_TASK,
    scope=Scope.DATASETS_WRITE,
    objects=objects_of,
    guard=guard,
    timeout_seconds=6 * 3600,
)
async def run_recipe(job: JobContext, args: RunArgs) -> dict[str, Any]:
    """Run a recipe on a dataset version into a new version of a dataset."""
    parts: Parts = job.services
    runner = parts.port(RecipeRunner)
    async with parts.database.reading() as session:
        await guard(session, job.principal, args)
        service = recipes_service(parts, session)
        prepared = await service.prepare(job.principal, args.wish)
        recipe = await service.get(job.principal, args.recipe, args.recipe_version)
    names = [step.kind for step in prepared.recipe.steps]

    async def report(progress: RunProgress) -> None:
        at = names[progress.step] if progress.step >= 0 else "checks"
        await job.progress(progress.rows, progress.total, "rows", at)

    made = await runner.run(prepared, report)
    lineage = {
        "kind": "recipe",
        "recipe": args.recipe,
        "recipe_version": recipe.version,
        "dataset": args.dataset,
        "dataset_version": prepared.source.version,
        "report": {"rows_in": prepared.source.shown.rows, **report_of(made.result)},
    }
    try:
        number = await _publish(job, args, made, lineage)
    finally:
        await runner.discard(made)
    job.target = f"/api/datasets/{args.wish.target}"
    return {
        "dataset": args.wish.target,
        "version": number,
        "report": lineage["report"],
    }


async def _publish(
    job: JobContext, args: RunArgs, made: Made, lineage: dict[str, Any]
) -> int:
    parts: Parts = job.services
    async with job.session() as session:
        datasets = datasets_service(parts, session)
        dataset = await datasets.get_or_reserve(job.principal, args.wish.target)
        prefix = f"datasets/{dataset.id}/{job.job_id}/{new_id()}/"
        contents = await parts.port(RecipeRunner).keep(made, prefix, lineage)
        published = await datasets.publish(
            dataset.id, contents, owner_id=job.owner_id or "", job_id=job.job_id
        )
    return published.number
