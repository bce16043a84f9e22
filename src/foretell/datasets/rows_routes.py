"""HTTP routes that read rows: pages, counts, profile, rejects, downloads."""

import urllib.parse
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Scope
from foretell.datasets.dependencies import (
    Datasets,
    Reader,
    RowLimit,
    Select,
    Sort,
    Version,
    Where,
)
from foretell.datasets.errors import ParameterInvalid
from foretell.datasets.ports import FileFormat, RowFormat, RowsPage
from foretell.datasets.query import RowsRequest, Sent, request_of_cursor
from foretell.datasets.reading import columns_of
from foretell.datasets.schemas import CountRead, ProfileRead, RejectsRead, RowsRead
from foretell.datasets.service import DatasetsService, DatasetView
from foretell.http.dependencies import CurrentUser, Cursor, State
from foretell.http.routing import requires, router

routes = router("/api/datasets", tags=["datasets"])
READ = requires(Scope.DATASETS_READ)

_MEDIA_TYPES: dict[RowFormat | FileFormat, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
_ACCEPTED: dict[str, RowFormat] = {
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
}
_FORMATS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for name, media_type in _MEDIA_TYPES.items()
            if name not in ("json", "parquet")
        }
    }
}


@routes.get(
    "/{name}/rows", response_model=RowsRead, responses=_FORMATS, dependencies=[READ]
)
async def read_rows(
    request: Request,
    name: str,
    user: CurrentUser,
    state: State,
    datasets: Datasets,
    reader: Reader,
    version: Version = None,
    select: Select = None,
    where: Where = None,
    sort: Sort = None,
    limit: RowLimit = 100,
    cursor: Cursor = None,
    after_row: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    max_cell: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
) -> Response:
    """Read one page of rows, by `Accept` as JSON, NDJSON, CSV or Arrow.

    `next` and `prev` are cursors; for the formats without an envelope they stand in
    the `Link` header. `max_cell` cuts longer texts. `after_row=n` starts at row n+1 of an unsorted, unfiltered
    version.
    """
    sent = Sent(version, select, where, sort, after_row)
    view, wanted = await _wanted(state.cursors, datasets, user, name, sent, cursor)
    position = wanted.position
    if after_row is not None:
        if where or sort:
            raise ParameterInvalid(
                "after_row", "needs the file's own order: no where, no sort"
            )
        position = await reader.start_at(after_row)
    row_format = _negotiated(request.headers.get("accept", ""))
    page = await reader.page(
        view.shown,
        wanted.query(columns_of(view.shown), reader.functions),
        limit=limit,
        position=position,
        row_format=row_format,
        max_cell=max_cell,
    )
    ends = tuple(wanted.cursor(state.cursors, p) for p in (page.next, page.previous))
    return _rows_response(request, page, row_format, *ends)


@routes.get("/{name}/count", response_model=CountRead, dependencies=[READ])
async def count_rows(
    name: str,
    user: CurrentUser,
    datasets: Datasets,
    version: Version = None,
    where: Where = None,
) -> CountRead:
    """Count the rows for which a condition is true."""
    found = await datasets.count(user, name, version=version, where=where)
    return CountRead(count=found, exact=True)


@routes.get("/{name}/profile", response_model=ProfileRead, dependencies=[READ])
async def read_profile(
    name: str,
    user: CurrentUser,
    datasets: Datasets,
    version: Version = None,
    where: Where = None,
) -> ProfileRead:
    """Describe each column: nulls, distinct values, quantiles, histogram."""
    found = await datasets.profile(user, name, version=version, where=where)
    return ProfileRead(**found)


@routes.get("/{name}/rejects", response_model=RejectsRead, dependencies=[READ])
async def read_rejects(
    name: str,
    user: CurrentUser,
    state: State,
    datasets: Datasets,
    reader: Reader,
    version: Version = None,
    limit: RowLimit = 100,
    cursor: Cursor = None,
) -> Response:
    """Read the rows that were kept aside, each with its line of the source file."""
    view = await datasets.get(user, name, version)
    purpose = f"rejects:{view.shown.id}"
    after = state.cursors.decode(purpose, cursor) if cursor else 0
    body, more = await reader.rejects(view.shown, after=after, limit=limit)
    end = state.cursors.encode(purpose, more) if more is not None else None
    return Response(
        b'{"items":' + body + b',"next":' + _quoted(end) + b"}",
        media_type="application/json",
    )


@routes.get(
    "/{name}/rejects/download",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    dependencies=[READ],
)
async def download_rejects(
    name: str,
    user: CurrentUser,
    datasets: Datasets,
    reader: Reader,
    version: Version = None,
) -> StreamingResponse:
    """Download the rows that were kept aside as CSV."""
    view = await datasets.get(user, name, version)
    file_name = f"{name}-v{view.version}-rejects.csv"
    return _download(reader.rejects_file(view.shown), "csv", file_name)


@routes.get(
    "/{name}/download",
    response_class=Response,
    responses={
        200: {
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for name, media_type in _MEDIA_TYPES.items()
                if name != "json"
            }
        }
    },
    dependencies=[READ],
)
async def download_dataset(
    name: str,
    user: CurrentUser,
    datasets: Datasets,
    reader: Reader,
    version: Version = None,
    format: Literal["csv", "ndjson", "parquet", "arrow"] = "csv",
    select: Select = None,
    where: Where = None,
) -> StreamingResponse:
    """Download rows as a file, streamed."""
    view = await datasets.get(user, name, version)
    wanted = RowsRequest(view.dataset.id, view.version, select, where)
    query = wanted.query(columns_of(view.shown), reader.functions)
    chunks = reader.download(view.shown, query, format)
    return _download(chunks, format, f"{name}-v{view.version}.{format}")


async def _wanted(
    cursors: Cursors,
    datasets: DatasetsService,
    user: Principal,
    name: str,
    sent: Sent,
    cursor: str | None,
) -> tuple[DatasetView, RowsRequest]:
    if cursor is None:
        view = await datasets.get(user, name, sent.version)
        wanted = RowsRequest(
            view.dataset.id, view.version, sent.select, sent.where, sent.sort
        )
        return view, wanted
    wanted = request_of_cursor(cursors, cursor, sent)
    view = await datasets.get_for_cursor(user, name, wanted.dataset_id, wanted.version)
    return view, wanted


def _negotiated(accept: str) -> RowFormat:
    offers = []
    for place, item in enumerate(accept.split(",")):
        media_type, _, parameters = item.strip().lower().partition(";")
        row_format = _ACCEPTED.get(media_type.strip())
        quality = _quality(parameters)
        if row_format is not None and quality > 0:
            offers.append((-quality, place, row_format))
    return min(offers)[2] if offers else "json"


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _rows_response(
    request: Request,
    page: RowsPage,
    row_format: RowFormat,
    after: str | None,
    before: str | None,
) -> Response:
    links = [
        f'<{_link(request, cursor)}>; rel="{relation}"'
        for relation, cursor in (("next", after), ("prev", before))
        if cursor is not None
    ]
    headers = {"Link": ", ".join(links)} if links else {}
    headers["Vary"] = "Accept"
    body = page.body
    if row_format == "json":
        body = (
            b'{"items":'
            + body
            + b',"next":'
            + _quoted(after)
            + b',"prev":'
            + _quoted(before)
            + b"}"
        )
    return Response(body, headers=headers, media_type=_MEDIA_TYPES[row_format])


def _link(request: Request, cursor: str) -> str:
    parameters = {"cursor": cursor}
    if "limit" in request.query_params:
        parameters["limit"] = request.query_params["limit"]
    root = request.scope.get("root_path", "")
    path = request.scope["path"]
    full = path if path.startswith(root) else root + path
    return f"{urllib.parse.quote(full)}?{urllib.parse.urlencode(parameters)}"


def _quoted(cursor: str | None) -> bytes:
    return b"null" if cursor is None else b'"' + cursor.encode() + b'"'


def _download(
    chunks: AsyncIterator[bytes], file_format: FileFormat, file_name: str
) -> StreamingResponse:
    return StreamingResponse(
        chunks,
        media_type=_MEDIA_TYPES[file_format],
        headers={
            "Content-Disposition": f'attachment; filename="{file_name}"',
            "X-Accel-Buffering": "no",
        },
    )
