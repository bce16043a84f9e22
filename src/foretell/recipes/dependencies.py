"""Builds what recipe routes ask for."""

from typing import Annotated

from fastapi import Depends

from foretell.auth.dependencies import AuthServices
from foretell.datasets.dependencies import Datasets
from foretell.http.dependencies import Session, State
from foretell.recipes.composing import recipes_service
from foretell.recipes.running import RecipeRunner
from foretell.recipes.service import RecipesService


async def get_recipes(
    state: State, session: Session, auth: AuthServices, datasets: Datasets
) -> RecipesService:
    """The recipes service in the request's unit of work."""
    return recipes_service(
        state,
        session,
        datasets,
        people=auth.accounts.resolve_people,
        audit=auth.audit,
    )


async def get_runner(state: State) -> RecipeRunner:
    return state.port(RecipeRunner)


Recipes = Annotated[RecipesService, Depends(get_recipes)]
Runner = Annotated[RecipeRunner, Depends(get_runner)]
