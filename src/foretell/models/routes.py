"""HTTP routes of models: names, versions, aliases, sharing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from foretell.auth.dependencies import DepartureLog
from foretell.core.pagination import Page
from foretell.core.principal import Principal, Scope
from foretell.errors import FieldError, Invalid
from foretell.http.dependencies import CurrentUser, Cursor, ObjectLimit, State
from foretell.http.listing import page_response
from foretell.http.problems import field_error_of
from foretell.http.routing import body_limit, requires, router
from foretell.http.schemas import ListOf, Name
from foretell.http.state import AppState
from foretell.http.upload_limit import UploadLimit
from foretell.http.uploads import Form, Limit, Upload, receive
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job
from foretell.models.dependencies import (
    Binding,
    Bound,
    Importer,
    ModelName,
    Models,
    VersionRef,
)
from foretell.models.errors import MetadataInvalid
from foretell.models.importing import ModelImporter, Uploaded, example_suffix
from foretell.models.row_schema import record_schema, row_schema
from foretell.models.schemas import (
    AliasHistory,
    AliasRead,
    AliasWrite,
    Metadata,
    ModelChange,
    ModelRead,
    ModelVersionRead,
    ModelWrite,
    TrafficWrite,
)
from foretell.models.service import ModelsService
from foretell.models.views import AliasView, HistoryView, ModelView, VersionView

routes = router("/api/models", tags=["models"])

FORM = Form(files=("artifact", "example"), texts=("metadata",))
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["artifact"],
                    "properties": {
                        "artifact": {"type": "string", "format": "binary"},
                        "metadata": {
                            "type": "string",
                            "description": "JSON: flavour, signature, metrics, "
                            "feature_set, description, engine, tolerance, trust.",
                        },
                        "example": {
                            "type": "string",
                            "format": "binary",
                            "description": "Sample rows: CSV, JSON or Parquet.",
                        },
                    },
                }
            },
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
    }
}
IfMatch = Annotated[str | None, Header()]
AliasName = Name


@routes.get(
    "", response_model=ListOf[ModelRead], dependencies=[requires(Scope.MODELS_READ)]
)
async def list_models(
    request: Request,
    response: Response,
    user: CurrentUser,
    models: Models,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[ModelView]:
    """List the models that the caller may see, by name."""
    return page_response(request, response, await models.list_page(user, cursor, limit))


@routes.put(
    "/{model}",
    response_model=ModelRead,
    responses={201: {"model": ModelRead, "description": "Made."}},
    dependencies=[requires(Scope.MODELS_WRITE)],
)
async def put_model(
    request: Request,
    response: Response,
    model: ModelName,
    user: CurrentUser,
    models: Models,
    body: ModelWrite | None = None,
) -> ModelView:
    """Make a model, or describe the one there is."""
    description = None if body is None else body.description
    view, is_new = await models.put(user, model, description)
    if is_new:
        response.status_code = 201
        response.headers["Location"] = f"{_root(request)}/api/models/{model}"
    response.headers["ETag"] = view.etag
    return view


@routes.get(
    "/{model}", response_model=ModelRead, dependencies=[requires(Scope.MODELS_READ)]
)
async def read_model(
    response: Response, model: ModelName, user: CurrentUser, models: Models
) -> ModelView:
    """Describe a model: its aliases, its latest version, who may see it."""
    view = await models.get(user, model)
    response.headers["ETag"] = view.etag
    return view


@routes.patch(
    "/{model}", response_model=ModelRead, dependencies=[requires(Scope.MODELS_WRITE)]
)
async def change_model(
    response: Response,
    model: ModelName,
    body: ModelChange,
    user: CurrentUser,
    models: Models,
    if_match: IfMatch = None,
) -> ModelView:
    """Change the description or who may see and change the model."""
    values = body.model_dump(exclude_unset=True, exclude_none=True)
    view = await models.change(user, model, values, if_match)
    response.headers["ETag"] = view.etag
    return view


@routes.delete("/{model}", status_code=204, dependencies=[requires(Scope.MODELS_WRITE)])
async def delete_model(
    model: ModelName, user: CurrentUser, models: Models, if_match: IfMatch = None
) -> None:
    """Delete a model with all its versions."""
    await models.delete(user, model, if_match)


@routes.post(
    "/{model}/versions",
    status_code=202,
    response_model=JobRead,
    responses={
        201: {
            "model": ModelVersionRead,
            "description": "With Prefer: wait, once it is published.",
        }
    },
    openapi_extra=_UPLOAD_BODY,
    dependencies=[requires(Scope.MODELS_WRITE), body_limit("max_upload_bytes")],
)
async def upload_version(
    request: Request,
    response: Response,
    model: ModelName,
    user: CurrentUser,
    state: State,
    importer: Importer,
    models: Models,
    bind: Binding,
    limit: UploadLimit,
) -> Job:
    """Upload an artifact; a job inspects it and publishes the next version.

    Send a multipart form with the part `artifact` and, if wanted, `metadata` and
    `example`; or the artifact as the body, with `?filename=` and `?metadata=`. The
    model is made if there is none. A refused upload uses no version number.
    """
    async with _received(request, state, limit) as upload:
        job = await _submit(models, importer, user, model, upload, bind)
    response.headers["Location"] = f"{_root(request)}/api/jobs/{job.id}"
    return job


@routes.get(
    "/{model}/versions",
    response_model=ListOf[ModelVersionRead],
    dependencies=[requires(Scope.MODELS_READ)],
)
async def list_versions(
    request: Request,
    response: Response,
    model: ModelName,
    user: CurrentUser,
    models: Models,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[VersionView]:
    """List the versions of a model, newest first."""
    page = await models.list_versions(user, model, cursor, limit)
    return page_response(request, response, page)


@routes.get(
    "/{model}/versions/{version}",
    response_model=ModelVersionRead,
    dependencies=[requires(Scope.MODELS_READ)],
)
async def read_version(
    model: ModelName, version: VersionRef, user: CurrentUser, models: Models
) -> VersionView:
    """Describe one version: signature, safety, parity, metrics."""
    return await models.get_version(user, model, version)


@routes.get(
    "/{model}/versions/{version}/schema",
    response_model=dict[str, Any],
    dependencies=[requires(Scope.MODELS_READ)],
)
async def read_schema(
    model: ModelName, version: VersionRef, user: CurrentUser, models: Models
) -> dict[str, Any]:
    """JSON Schema (2020-12) of one input row of a version."""
    view = await models.get_version(user, model, version)
    if view.row.features is not None:
        return record_schema(view.row.features, f"{model} {view.version} record")
    return row_schema(view.signature_value, f"{model} {view.version} row")


@routes.get(
    "/{model}/versions/{version}/artifact",
    response_class=Response,
    responses={
        200: {
            "description": "The file as it was uploaded.",
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"}
                }
            },
        }
    },
    dependencies=[requires(Scope.MODELS_READ)],
)
async def read_artifact(
    model: ModelName,
    version: VersionRef,
    user: CurrentUser,
    state: State,
    models: Models,
    departures: DepartureLog,
) -> Response:
    """Download the artifact of a version, byte for byte as it was uploaded."""
    view = await models.get_version(user, model, version)

    async def chunks() -> AsyncIterator[bytes]:
        # By now the request's own session has gone: never two connections at once.
        what = {"kind": "model", "object_id": model, "version": view.version}
        await departures("model.download", user, **what)
        async for chunk in state.blobs.read(view.row.artifact_key):
            yield chunk

    headers = {
        "Content-Disposition": f'attachment; filename="{model}-{view.version}"',
        "Content-Length": str(view.row.bytes),
        "ETag": f'"{view.row.sha256}"',
    }
    return StreamingResponse(
        chunks(), headers=headers, media_type="application/octet-stream"
    )


@routes.get(
    "/{model}/aliases",
    response_model=ListOf[AliasRead],
    dependencies=[requires(Scope.MODELS_READ)],
)
async def list_aliases(
    model: ModelName, user: CurrentUser, models: Models
) -> Page[AliasView]:
    """List the aliases of a model and where they point."""
    items = await models.list_aliases(user, model)
    return Page(items, None)


@routes.get(
    "/{model}/aliases/{alias}",
    response_model=AliasHistory,
    dependencies=[requires(Scope.MODELS_READ)],
)
async def read_alias(
    model: ModelName,
    alias: AliasName,
    user: CurrentUser,
    models: Models,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> HistoryView:
    """Where an alias points, and each move before, newest first."""
    return await models.alias_history(user, model, alias, cursor=cursor, limit=limit)


@routes.put(
    "/{model}/aliases/{alias}",
    response_model=AliasRead,
    dependencies=[requires(Scope.MODELS_WRITE)],
)
async def set_alias(
    model: ModelName,
    alias: AliasName,
    body: AliasWrite,
    user: CurrentUser,
    models: Models,
) -> AliasView:
    """Point an alias at a version. The next prediction uses it."""
    return await models.set_alias(user, model, alias, body.version)


@routes.delete(
    "/{model}/aliases/{alias}",
    status_code=204,
    dependencies=[requires(Scope.MODELS_WRITE)],
)
async def delete_alias(
    model: ModelName, alias: AliasName, user: CurrentUser, models: Models
) -> None:
    """Remove an alias. Its history can still be read."""
    await models.delete_alias(user, model, alias)


@routes.put(
    "/{model}/traffic",
    response_model=ModelRead,
    dependencies=[requires(Scope.MODELS_WRITE)],
)
async def set_traffic(
    response: Response,
    model: ModelName,
    body: TrafficWrite,
    user: CurrentUser,
    models: Models,
) -> ModelView:
    """Split the calls that name no version by weight, and let versions score them unseen.

    Callers with the same `X-Routing-Key` keep their version. Without routes the
    champion answers, else the latest version.
    """
    split = [(route.version, route.weight) for route in body.routes]
    view = await models.set_traffic(user, model, split, body.shadow)
    response.headers["ETag"] = view.etag
    return view


async def _submit(
    models: ModelsService,
    importer: ModelImporter,
    user: Principal,
    model: str,
    upload: Upload,
    bind: Bound,
) -> Job:
    artifact = upload.file("artifact")
    if not artifact.bytes:
        at_fault = FieldError("/artifact", "The file is empty.", "empty")
        raise Invalid("The artifact is empty; nothing was sent.", errors=[at_fault])
    example = upload.files.get("example")
    metadata = parse_metadata(upload.texts.get("metadata"))
    await models.check_upload(user, model, wants_trust=metadata.trust)
    target = await models.target_of(user, model)
    uploaded = Uploaded(
        model=model,
        **target._asdict(),
        filename=artifact.filename,
        bytes=artifact.bytes,
        sha256=artifact.sha256,
        example=example and example_suffix(example.filename, example.content_type),
        names=metadata.signature
        and [field.name for field in metadata.signature.inputs],
        features=metadata.feature_set and await bind(user, metadata.feature_set),
        **metadata.model_dump(exclude={"signature", "feature_set"}),
    )
    await importer.keep(uploaded, artifact.path, example.path if example else None)
    return await models.submit(user, uploaded)


def parse_metadata(text: str | None) -> Metadata:
    """The `metadata` part of an upload.

    Raises:
        MetadataInvalid: With a pointer below `/metadata` for each wrong field.
    """
    try:
        return Metadata.model_validate_json(text or "{}")
    except ValidationError as error:
        errors = [
            field_error_of({**item, "loc": ("body", "metadata", *item["loc"])})
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise MetadataInvalid(
            "The metadata of the upload is wrong.", errors=errors
        ) from None


@asynccontextmanager
async def _received(
    request: Request, state: AppState, limit: Limit
) -> AsyncIterator[Upload]:
    async with receive(
        request,
        state.settings.data_dir / "incoming",
        FORM,
        limit=limit,
    ) as upload:
        yield upload


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))
