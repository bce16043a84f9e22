"""HTTP routes of datasets: upload, versions, sharing, deletion."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Header, Path, Query, Request, Response

from foretell.core.ids import slug_of
from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.datasets.contents import SourceFile
from foretell.datasets.dependencies import Datasets, Importer, Outside, Preview
from foretell.datasets.importing import DatasetImporter, DryRun
from foretell.datasets.json_sources import is_source, json_content, read_source
from foretell.datasets.options import parse_options
from foretell.datasets.outside_schemas import SourceImport, SourceVersion
from foretell.datasets.schemas import (
    CurrentRead,
    CurrentSet,
    DatasetChange,
    DatasetRead,
    DatasetVersionRead,
    DryRunRead,
)
from foretell.datasets.service import DatasetView, Mode
from foretell.errors import Invalid
from foretell.http.dependencies import CurrentUser, Cursor, ObjectLimit, State
from foretell.http.listing import page_response
from foretell.http.routing import body_limit, requires, router
from foretell.http.schemas import MAX_VERSION, Body, ListOf
from foretell.http.state import AppState
from foretell.http.upload_limit import UploadLimit
from foretell.http.uploads import Form, Limit, Upload, UploadedFile, receive
from foretell.jobs.routes import locate
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job

routes = router("/api/datasets", tags=["datasets"])

FORM = Form(files=("file",), texts=("name", "options", "mode"))
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "name": {"type": "string"},
                        "options": {"type": "string", "description": "JSON"},
                        "mode": {"enum": ["replace", "append"]},
                    },
                }
            },
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
    }
}


def _body_or(source: type[Body]) -> dict[str, Any]:
    """The bodies of an import: a file, or JSON that names a connection."""
    content: dict[str, Any] = _UPLOAD_BODY["requestBody"]["content"]
    body = {"required": True, "content": {**json_content(source), **content}}
    return {"requestBody": body}


_ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"model": DryRunRead, "description": "With dry_run=true: nothing is stored."},
    201: {"model": DatasetRead, "description": "With Prefer: wait, once it is there."},
}
DryRunWanted = Annotated[
    bool, Query(description="Read the first 1,000 rows and store nothing.")
]
NameGiven = Annotated[str | None, Query(description="The body is the file.")]
OptionsGiven = Annotated[str | None, Query(description="Import options as JSON.")]


@routes.post(
    "",
    status_code=202,
    response_model=JobRead,
    responses=_ACCEPTED,
    openapi_extra=_body_or(SourceImport),
    dependencies=[requires(Scope.DATASETS_WRITE), body_limit("max_upload_bytes")],
)
async def upload_dataset(
    request: Request,
    response: Response,
    user: CurrentUser,
    state: State,
    importer: Importer,
    datasets: Datasets,
    outside: Outside,
    preview: Preview,
    limit: UploadLimit,
    name: NameGiven = None,
    options: OptionsGiven = None,
    dry_run: DryRunWanted = False,
) -> Job | Response:
    """Upload a file; an import job makes version 1 of a new dataset of it.

    Send it as the part `file` of a multipart form, or as the body with `?name=`.
    Without a name the dataset is called after the file. A JSON body names a
    connection to read instead: `{name, source: {connection, table|query|collection}}`.
    """
    if is_source(request):
        given = await read_source(request, SourceImport)
        if dry_run:
            return _shown(await preview.read(user, given.source))
        job = await outside.create(user, given.name, given.source)
        locate(request, response, job)
        return job
    async with _received(request, state, limit) as upload:
        if dry_run:
            return await _try_out(importer, upload)
        file = upload.file("file")
        source = await _keep(importer, file)
        wanted = upload.texts.get("name") or slug_of(file.filename)
        options_given = parse_options(upload.texts.get("options"))
        job = await datasets.create(user, wanted, source, options_given)
    locate(request, response, job)
    return job


@routes.post(
    "/{name}/versions",
    status_code=202,
    response_model=JobRead,
    responses=_ACCEPTED,
    openapi_extra=_body_or(SourceVersion),
    dependencies=[requires(Scope.DATASETS_WRITE), body_limit("max_upload_bytes")],
)
async def upload_version(
    request: Request,
    response: Response,
    name: str,
    user: CurrentUser,
    state: State,
    importer: Importer,
    datasets: Datasets,
    outside: Outside,
    preview: Preview,
    limit: UploadLimit,
    options: OptionsGiven = None,
    mode: Annotated[Mode | None, Query()] = None,
    dry_run: DryRunWanted = False,
) -> Job | Response:
    """Make the next version of a dataset of a file or a connection: all of it, or
    more rows."""
    if is_source(request):
        body = await read_source(request, SourceVersion, name=name)
        if dry_run:
            return _shown(await preview.read(user, body.source))
        wanted = mode if mode is not None else body.mode
        job = await outside.add_version(user, name, body.source, wanted)
        locate(request, response, job)
        return job
    async with _received(request, state, limit) as upload:
        if dry_run:
            return await _try_out(importer, upload)
        source = await _keep(importer, upload.file("file"))
        given = parse_options(upload.texts.get("options"))
        chosen = _mode(upload.texts.get("mode"))
        job = await datasets.add_version(user, name, source, given, chosen)
    locate(request, response, job)
    return job


@routes.get(
    "",
    response_model=ListOf[DatasetRead],
    dependencies=[requires(Scope.DATASETS_READ)],
)
async def list_datasets(
    request: Request,
    response: Response,
    user: CurrentUser,
    datasets: Datasets,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[DatasetView]:
    """List the datasets that the caller may see, by name."""
    page = await datasets.list_page(user, cursor, limit)
    return page_response(request, response, page)


@routes.get(
    "/{name}",
    response_model=DatasetRead,
    dependencies=[requires(Scope.DATASETS_READ)],
)
async def read_dataset(
    response: Response, name: str, user: CurrentUser, datasets: Datasets
) -> DatasetView:
    """Describe a dataset as its current version shows it."""
    view = await datasets.get(user, name)
    response.headers["ETag"] = view.etag
    return view


@routes.patch(
    "/{name}",
    response_model=DatasetRead,
    dependencies=[requires(Scope.DATASETS_WRITE)],
)
async def change_dataset(
    response: Response,
    name: str,
    body: DatasetChange,
    user: CurrentUser,
    datasets: Datasets,
    if_match: Annotated[str | None, Header()] = None,
) -> DatasetView:
    """Change the description or who may see the dataset."""
    view = await datasets.change(user, name, body.given(), if_match)
    response.headers["ETag"] = view.etag
    return view


@routes.delete(
    "/{name}", status_code=204, dependencies=[requires(Scope.DATASETS_WRITE)]
)
async def delete_dataset(name: str, user: CurrentUser, datasets: Datasets) -> None:
    """Delete a dataset with all its versions."""
    await datasets.delete(user, name)


@routes.get(
    "/{name}/versions",
    response_model=ListOf[DatasetVersionRead],
    dependencies=[requires(Scope.DATASETS_READ)],
)
async def list_versions(
    request: Request,
    response: Response,
    name: str,
    user: CurrentUser,
    datasets: Datasets,
    limit: ObjectLimit = 100,
    cursor: Cursor = None,
) -> Page[DatasetView]:
    """List the versions of a dataset, newest first."""
    page = await datasets.list_versions(user, name, cursor, limit)
    return page_response(request, response, page)


@routes.get(
    "/{name}/versions/{version}",
    response_model=DatasetVersionRead,
    dependencies=[requires(Scope.DATASETS_READ)],
)
async def read_version(
    name: str,
    version: Annotated[int, Path(ge=1, le=MAX_VERSION)],
    user: CurrentUser,
    datasets: Datasets,
) -> DatasetView:
    """Describe one version of a dataset."""
    return await datasets.get(user, name, version)


@routes.put(
    "/{name}/current",
    response_model=CurrentRead,
    dependencies=[requires(Scope.DATASETS_WRITE)],
)
async def set_current(
    name: str, body: CurrentSet, user: CurrentUser, datasets: Datasets
) -> CurrentRead:
    """Serve another version by default, until the next one is published."""
    await datasets.set_current(user, name, body.version)
    return CurrentRead(name=name, version=body.version)


@asynccontextmanager
async def _received(
    request: Request, state: AppState, limit: Limit
) -> AsyncIterator[Upload]:
    raw = True if "name" in request.query_params else None
    async with receive(
        request,
        state.settings.data_dir / "incoming",
        FORM,
        limit=limit,
        raw=raw,
    ) as upload:
        yield upload


async def _keep(importer: DatasetImporter, file: UploadedFile) -> SourceFile:
    return await importer.keep_source(file.path, file.sha256, file.bytes, file.filename)


async def _try_out(importer: DatasetImporter, upload: Upload) -> Response:
    file = upload.file("file")
    options = parse_options(upload.texts.get("options"))
    return _shown(await importer.try_out(file.path, file.filename, options))


def _shown(found: DryRun) -> Response:
    body = DryRunRead.model_validate(found, from_attributes=True)
    return Response(body.model_dump_json(), media_type="application/json")


def _mode(text: str | None) -> Mode:
    if text in (None, "", "replace"):
        return "replace"
    if text == "append":
        return "append"
    raise Invalid("mode is replace or append.")
