"""Builds the recipes service for a unit of work, in requests and jobs alike."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.parts import Parts
from foretell.datasets.composing import datasets_service
from foretell.datasets.service import DatasetsService
from foretell.jobs.composing import jobs_service
from foretell.recipes.running import RecipeRunner
from foretell.recipes.service import RecipesService
from foretell.recipes.store import RecipeStore


def recipes_service(
    parts: Parts,
    session: AsyncSession,
    datasets: DatasetsService | None = None,
    **more: Any,
) -> RecipesService:
    """The service whose statements run in `session`."""
    return RecipesService(
        RecipeStore(session),
        parts.port(RecipeRunner),
        datasets or datasets_service(parts, session),
        jobs_service(parts, session),
        clock=parts.clock,
        cursors=parts.cursors,
        **more,
    )


async def follow(
    parts: Parts, session: Any, dataset_id: str, name: str, version: int
) -> None:
    """Start what runs by itself on a new version of a dataset."""
    service = recipes_service(parts, session)
    await service.start_followers(dataset_id, name, version)
