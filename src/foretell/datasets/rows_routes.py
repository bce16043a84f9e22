"""HTTP routes that read rows: pages, rejects, downloads."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from foretell.auth.dependencies import DepartureLog
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal, Scope
from foretell.datasets.dependencies import (
    DatasetViews,
    Reader,
    RowLimit,
    Select,
    Sort,
    Version,
    Where,
)
from foretell.datasets.errors import ParameterInvalid
from foretell.datasets.ports import (
    FileFormat,
    Position,
    RowFormat,
    RowsPage,
    RowsQuery,
)
from foretell.datasets.query import RowsRequest, Sent, request_of_cursor
from foretell.datasets.reading import DatasetReader, columns_of
from foretell.datasets.schemas import RejectsRead, RowsRead
from foretell.datasets.service import DatasetView
from foretell.datasets.views import Views
from foretell.http.dependencies import CurrentUser, Cursor, State
from foretell.http.leaving import unless_gone
from foretell.http.listing import page_base
from foretell.http.routing import requires, router
from foretell.http.timing import ServerTiming

routes = router("/api/datasets", tags=["datasets"])
READ = requires(Scope.DATASETS_READ)

_MEDIA_TYPES: dict[RowFormat | FileFormat, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
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
            if name not in ("json", "parquet", "xlsx")
        }
    }
}


AfterRow = Annotated[
    int | None, Query(ge=0, le=2**62, description="Start behind this row.")
]
Seek = Annotated[
    float | None, Query(ge=0, le=1, description="Start at this share of the rows.")
]
MaxCell = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="Cut longer texts.")
]


@routes.get(
    "/{name}/rows", response_model=RowsRead, responses=_FORMATS, dependencies=[READ]
)
async def read_rows(
    request: Request,
    name: str,
    user: CurrentUser,
    state: State,
    views: DatasetViews,
    reader: Reader,
    version: Version = None,
    select: Select = None,
    where: Where = None,
    sort: Sort = None,
    limit: RowLimit = 100,
    cursor: Cursor = None,
    after_row: AfterRow = None,
    seek: Seek = None,
    max_cell: MaxCell = None,
) -> Response:
    """Read one page of rows, by `Accept` as JSON, NDJSON, CSV or Arrow.

    `next` and `prev` are cursors; for the formats without an envelope they stand in
    the `Link` header. `max_cell` cuts longer texts. `after_row=n` starts at row n+1 of
    an unsorted, unfiltered version; `seek` starts where that share of the rows, in
    their order, stands before the page, and goes no further than the last page.
    """
    timing = ServerTiming()
    with timing.step("find"):
        sent = Sent(version, select, where, sort, after_row, seek)
        view, wanted = await _wanted(state.cursors, views, user, name, sent, cursor)
        query = wanted.query(columns_of(view.shown), reader.functions)
    with timing.step("read"):
        position = await _start(request, reader, view, query, sent, limit, user.user_id)
        row_format = _negotiated(request.headers.get("accept", ""))
        reading = reader.page(
            view.shown,
            query,
            limit=limit,
            position=position or wanted.position,
            row_format=row_format,
            max_cell=max_cell,
            caller=user.user_id,
        )
        may_scan = query.where or query.sort
        page = await (unless_gone(request, reading) if may_scan else reading)
    ends = tuple(wanted.cursor(state.cursors, p) for p in (page.next, page.previous))
    response = _rows_response(request, page, row_format, *ends)
    response.headers.update(timing.header)
    return response


@routes.get("/{name}/rejects", response_model=RejectsRead, dependencies=[READ])
async def read_rejects(
    name: str,
    user: CurrentUser,
    state: State,
    views: DatasetViews,
    reader: Reader,
    version: Version = None,
    limit: RowLimit = 100,
    cursor: Cursor = None,
) -> Response:
    """Read the rows that were kept aside, each with its line of the source file."""
    view = await views.get(user, name, version)
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
    views: DatasetViews,
    reader: Reader,
    version: Version = None,
) -> StreamingResponse:
    """Download the rows that were kept aside as CSV."""
    view = await views.get(user, name, version)
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
    views: DatasetViews,
    reader: Reader,
    departures: DepartureLog,
    version: Version = None,
    format: FileFormat = "csv",
    select: Select = None,
    where: Where = None,
) -> StreamingResponse:
    """Download rows as a file, streamed."""
    view = await views.get(user, name, version)
    wanted = RowsRequest(view.dataset.id, view.version, select, where)
    query = wanted.query(columns_of(view.shown), reader.functions)
    await departures(
        "dataset.download",
        user,
        kind="dataset",
        object_id=name,
        version=view.version,
        format=format,
    )
    chunks = reader.download(view.shown, query, format)
    return _download(chunks, format, f"{name}-v{view.version}.{format}")


async def _start(
    request: Request,
    reader: DatasetReader,
    view: DatasetView,
    query: RowsQuery,
    sent: Sent,
    limit: int,
    caller: str,
) -> Position | None:
    """Where the page starts that `after_row` or `seek` asks for."""
    if sent.after_row is not None and sent.seek is not None:
        raise ParameterInvalid("seek", "cannot be combined with after_row")
    if sent.seek is not None:
        return await unless_gone(
            request,
            reader.seek(view.shown, query, sent.seek, limit=limit, caller=caller),
        )
    if sent.after_row is None:
        return None
    if query.where or query.sort:
        raise ParameterInvalid(
            "after_row", "needs the file's own order: no where, no sort"
        )
    return await reader.start_at(sent.after_row)


async def _wanted(
    cursors: Cursors,
    views: Views,
    user: Principal,
    name: str,
    sent: Sent,
    cursor: str | None,
) -> tuple[DatasetView, RowsRequest]:
    if cursor is None:
        view = await views.get(user, name, sent.version)
        wanted = RowsRequest(
            view.dataset.id, view.version, sent.select, sent.where, sent.sort
        )
        return view, wanted
    wanted = request_of_cursor(cursors, cursor, sent)
    view = await views.get_for_cursor(user, name, wanted.dataset_id, wanted.version)
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
    free = {n: request.query_params.get(n) for n in ("limit", "max_cell")}
    kept = {name: value for name, value in free.items() if value is not None}
    return page_base(request.scope, kept) + cursor


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
