"""HTTP routes of recipes, and of their runs on datasets."""

from typing import Annotated

from fastapi import Header, Query, Request, Response
from fastapi import Path as InPath

from foretell.auth.versioned import VersionedView
from foretell.core.ids import NAME_PATTERN
from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.http.dependencies import CurrentUser, Cursor, ObjectLimit
from foretell.http.listing import page_response
from foretell.http.routing import requires, router
from foretell.http.schemas import MAX_VERSION, ListOf
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job
from foretell.recipes.dependencies import Recipes, Runner
from foretell.recipes.running import preview_of
from foretell.recipes.schemas import (
    AutomaticRunRead,
    PreviewRead,
    RecipeRead,
    RecipeWrite,
    RunCreate,
    ShareChange,
)
from foretell.recipes.service import RunWish, demand_scope

routes = router("/api", tags=["recipes"])
RecipeName = Annotated[str, InPath(pattern=NAME_PATTERN, max_length=63)]
IfMatch = Annotated[str | None, Header()]
Version = Annotated[
    int | None, Query(ge=1, le=MAX_VERSION, description="The latest one by default.")
]
_READS = [requires(Scope.DATASETS_READ)]
_WRITES = [requires(Scope.DATASETS_WRITE)]


@routes.get("/recipes", response_model=ListOf[RecipeRead], dependencies=_READS)
async def list_recipes(
    request: Request,
    response: Response,
    user: CurrentUser,
    recipes: Recipes,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[VersionedView]:
    """List the recipes that the caller may see, by name."""
    demand_scope(user, Scope.DATASETS_READ)
    return page_response(
        request, response, await recipes.list_page(user, cursor, limit)
    )


@routes.put(
    "/recipes/{recipe}",
    response_model=RecipeRead,
    responses={201: {"model": RecipeRead, "description": "It is new."}},
    dependencies=_WRITES,
)
async def put_recipe(
    request: Request,
    response: Response,
    recipe: RecipeName,
    body: RecipeWrite,
    user: CurrentUser,
    recipes: Recipes,
    if_match: IfMatch = None,
) -> VersionedView:
    """Make a recipe, or its next version; older versions stay as they are."""
    view, is_new = await recipes.put(
        user,
        recipe,
        body.steps,
        body.checks,
        description=body.description,
        if_match=if_match,
    )
    if is_new:
        response.status_code = 201
        root = request.scope.get("root_path", "")
        response.headers["Location"] = f"{root}/api/recipes/{recipe}"
    response.headers["ETag"] = view.etag
    return view


@routes.get("/recipes/{recipe}", response_model=RecipeRead, dependencies=_READS)
async def read_recipe(
    response: Response,
    recipe: RecipeName,
    user: CurrentUser,
    recipes: Recipes,
    version: Version = None,
) -> VersionedView:
    """One recipe with its steps and checks."""
    demand_scope(user, Scope.DATASETS_READ)
    view = await recipes.get(user, recipe, version)
    response.headers["ETag"] = view.etag
    return view


@routes.get(
    "/recipes/{recipe}/versions",
    response_model=ListOf[RecipeRead],
    dependencies=_READS,
)
async def list_recipe_versions(
    request: Request,
    response: Response,
    recipe: RecipeName,
    user: CurrentUser,
    recipes: Recipes,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[VersionedView]:
    """List the versions of a recipe, newest first."""
    demand_scope(user, Scope.DATASETS_READ)
    page = await recipes.list_versions(user, recipe, cursor, limit)
    return page_response(request, response, page)


@routes.patch("/recipes/{recipe}", response_model=RecipeRead, dependencies=_WRITES)
async def change_recipe(
    response: Response,
    recipe: RecipeName,
    body: ShareChange,
    user: CurrentUser,
    recipes: Recipes,
    if_match: IfMatch = None,
) -> VersionedView:
    """Change the description or who may see and change a recipe; makes no version."""
    demand_scope(user, Scope.DATASETS_WRITE)
    view = await recipes.change(user, recipe, body.given(), if_match)
    response.headers["ETag"] = view.etag
    return view


@routes.delete("/recipes/{recipe}", status_code=204, dependencies=_WRITES)
async def delete_recipe(
    recipe: RecipeName, user: CurrentUser, recipes: Recipes, if_match: IfMatch = None
) -> None:
    """Delete a recipe with its versions and automatic runs; what it made stays."""
    demand_scope(user, Scope.DATASETS_WRITE)
    await recipes.delete(user, recipe, if_match)


@routes.post(
    "/datasets/{name}/runs",
    status_code=202,
    response_model=JobRead,
    responses={
        200: {"model": PreviewRead, "description": "With dry_run=true."},
    },
    tags=["datasets"],
    dependencies=_WRITES,
)
async def start_run(
    request: Request,
    response: Response,
    name: str,
    body: RunCreate,
    user: CurrentUser,
    recipes: Recipes,
    runner: Runner,
    dry_run: Annotated[
        bool, Query(description="Run on the first 1,000 rows and store nothing.")
    ] = False,
) -> Job | Response:
    """Run a recipe on a dataset; a job makes a new version and a report. A dry run
    answers at once, with some rows before and after each step."""
    wish = RunWish(name, body.recipe, body.version, body.recipe_version, body.output)
    if dry_run:
        prepared = await recipes.prepare(user, wish)
        found = preview_of(await runner.preview(prepared))
        shown = PreviewRead.model_validate(found)
        return Response(shown.model_dump_json(), media_type="application/json")
    job = await recipes.start(user, wish, is_automatic=body.automatic)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}/api/jobs/{job.id}"
    return job


@routes.get(
    "/datasets/{name}/runs",
    response_model=ListOf[AutomaticRunRead],
    tags=["datasets"],
    dependencies=_READS,
)
async def list_automatic_runs(
    name: str, user: CurrentUser, recipes: Recipes
) -> ListOf[AutomaticRunRead]:
    """The recipes that run by themselves on every new version of a dataset."""
    found = await recipes.automatic_runs(user, name)
    return ListOf(
        items=[
            AutomaticRunRead(
                recipe=recipe.name,
                recipe_version=run.recipe_version,
                output=run.output,
                owner_id=run.owner_id,
                created_at=run.created_at,
            )
            for run, recipe in found
        ]
    )


@routes.delete(
    "/datasets/{name}/runs/{recipe}",
    status_code=204,
    tags=["datasets"],
    dependencies=_WRITES,
)
async def stop_automatic_run(
    name: str, recipe: RecipeName, user: CurrentUser, recipes: Recipes
) -> None:
    """Let a recipe run by itself on a dataset no longer."""
    await recipes.stop_automatic_run(user, name, recipe)
