"""HTTP routes of feature sets."""

import asyncio
from typing import Annotated

from fastapi import Header, Query, Request, Response
from fastapi import Path as InPath

from foretell.auth.versioned import VersionedView
from foretell.core.ids import NAME_PATTERN
from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.features.dependencies import FeatureSets
from foretell.features.schemas import (
    ComputeBody,
    ComputedRead,
    FeatureSetRead,
    FeatureSetWrite,
    ShareWrite,
)
from foretell.features.service import demand_scope
from foretell.http.dependencies import CurrentUser, Cursor, ObjectLimit
from foretell.http.listing import page_response
from foretell.http.routing import body_limit, requires, router
from foretell.http.schemas import MAX_VERSION, ListOf

routes = router("/api/feature-sets", tags=["feature sets"])
FeatureSetName = Annotated[str, InPath(pattern=NAME_PATTERN, max_length=63)]
IfMatch = Annotated[str | None, Header()]
Version = Annotated[
    int | None, Query(ge=1, le=MAX_VERSION, description="The latest one by default.")
]
MAX_BODY_BYTES = 32 * 1024 * 1024
_INLINE_ROWS = 50
_READS = [requires(Scope.MODELS_READ)]
_WRITES = [requires(Scope.MODELS_WRITE)]


@routes.get("", response_model=ListOf[FeatureSetRead], dependencies=_READS)
async def list_feature_sets(
    request: Request,
    response: Response,
    user: CurrentUser,
    feature_sets: FeatureSets,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[VersionedView]:
    """List the feature sets that the caller may see, by name."""
    demand_scope(user, Scope.MODELS_READ)
    page = await feature_sets.list_page(user, cursor, limit)
    return page_response(request, response, page)


@routes.put(
    "/{feature_set}",
    response_model=FeatureSetRead,
    responses={201: {"model": FeatureSetRead, "description": "It is new."}},
    dependencies=_WRITES,
)
async def put_feature_set(
    request: Request,
    response: Response,
    feature_set: FeatureSetName,
    body: FeatureSetWrite,
    user: CurrentUser,
    feature_sets: FeatureSets,
    if_match: IfMatch = None,
) -> VersionedView:
    """Make a feature set, or its next version; older versions, and models that are
    bound to them, stay as they are."""
    view, is_new = await feature_sets.put(
        user,
        feature_set,
        [feature.model_dump(mode="json") for feature in body.features],
        [given.model_dump(mode="json") for given in body.inputs],
        description=body.description,
        if_match=if_match,
    )
    if is_new:
        response.status_code = 201
        root = request.scope.get("root_path", "")
        response.headers["Location"] = f"{root}/api/feature-sets/{feature_set}"
    response.headers["ETag"] = view.etag
    return view


@routes.get("/{feature_set}", response_model=FeatureSetRead, dependencies=_READS)
async def read_feature_set(
    response: Response,
    feature_set: FeatureSetName,
    user: CurrentUser,
    feature_sets: FeatureSets,
    version: Version = None,
) -> VersionedView:
    """One feature set with its expressions."""
    demand_scope(user, Scope.MODELS_READ)
    view = await feature_sets.get(user, feature_set, version)
    response.headers["ETag"] = view.etag
    return view


@routes.get(
    "/{feature_set}/versions",
    response_model=ListOf[FeatureSetRead],
    dependencies=_READS,
)
async def list_feature_set_versions(
    request: Request,
    response: Response,
    feature_set: FeatureSetName,
    user: CurrentUser,
    feature_sets: FeatureSets,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[VersionedView]:
    """List the versions of a feature set, newest first."""
    demand_scope(user, Scope.MODELS_READ)
    page = await feature_sets.list_versions(user, feature_set, cursor, limit)
    return page_response(request, response, page)


@routes.patch("/{feature_set}", response_model=FeatureSetRead, dependencies=_WRITES)
async def change_feature_set(
    response: Response,
    feature_set: FeatureSetName,
    body: ShareWrite,
    user: CurrentUser,
    feature_sets: FeatureSets,
    if_match: IfMatch = None,
) -> VersionedView:
    """Change the description or who may see and change it; makes no version."""
    demand_scope(user, Scope.MODELS_WRITE)
    view = await feature_sets.change(user, feature_set, body.given(), if_match)
    response.headers["ETag"] = view.etag
    return view


@routes.delete("/{feature_set}", status_code=204, dependencies=_WRITES)
async def delete_feature_set(
    feature_set: FeatureSetName,
    user: CurrentUser,
    feature_sets: FeatureSets,
    if_match: IfMatch = None,
) -> None:
    """Delete a feature set; models that are bound to it keep what they need."""
    demand_scope(user, Scope.MODELS_WRITE)
    await feature_sets.delete(user, feature_set, if_match)


@routes.post(
    "/{feature_set}/compute",
    response_model=ComputedRead,
    dependencies=[requires(Scope.MODELS_PREDICT), body_limit(MAX_BODY_BYTES)],
)
async def compute_features(
    feature_set: FeatureSetName,
    body: ComputeBody,
    user: CurrentUser,
    feature_sets: FeatureSets,
    version: Version = None,
) -> ComputedRead:
    """Compute the features of raw records, as predictions with them would."""
    demand_scope(user, Scope.MODELS_PREDICT)
    definition = await feature_sets.define(user, feature_set, version)
    if len(body.rows) <= _INLINE_ROWS:
        rows = feature_sets.compute(definition, body.rows)
    else:
        rows = await asyncio.to_thread(feature_sets.compute, definition, body.rows)
    return ComputedRead(feature_set=feature_set, version=definition.version, rows=rows)
