"""`resource_router(description)`: the HTTP routes of one resource."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel

from foretell.core.principal import Scope
from foretell.http.dependencies import CurrentUser
from foretell.http.listing import base_of, link_header
from foretell.http.routing import public, requires, router
from foretell.jobs.dependencies import Jobs
from foretell.jobs.schemas import JobRead
from foretell.jobs.tables import Job
from foretell.resources.addresses import bulk_location, row_location
from foretell.resources.columns import ResourceColumn
from foretell.resources.dependencies import service_of
from foretell.resources.description import ResourceDescription
from foretell.resources.etags import body_etag, is_known, nested_etag, row_etag
from foretell.resources.listing import Sent
from foretell.resources.parameters import Parameters, query_schema
from foretell.resources.rows import to_bytes
from foretell.resources.schemas import SnapshotCreate, value_type
from foretell.resources.service import ResourcePage, ResourceService, Shown
from foretell.resources.tasks import SNAPSHOT_TASK

JSON = "application/json"
IfMatch = Annotated[
    str | None, Header(description="ETag of the row as the caller knows it.")
]
IfNoneMatch = Annotated[
    str | None, Header(description="ETag of what the caller has; 304 if it is that.")
]
Expand = Annotated[
    str | None,
    Query(max_length=500, description="Relations to nest, such as `orders,city`."),
]
Endpoint = Callable[..., Coroutine[Any, Any, Response]]


def resource_router(description: ResourceDescription) -> APIRouter:
    """The routes of a resource, to be included in an application."""
    routes = router(description.address, tags=list(description.tags))
    reading = public if description.is_public else requires(description.read_scope)
    writing = requires(description.write_scope)
    title = description.model.__name__
    for method, path, endpoint, options in (
        ("GET", "", _list(description), {"response_model": description.page}),
        ("POST", "", _create(description), _made(description.read)),
        ("POST", "/bulk", _bulk(description), _made(description.page)),
        ("GET", "/{id}", _get(description), {"response_model": description.read}),
        ("PATCH", "/{id}", _change(description), {"response_model": description.read}),
        ("DELETE", "/{id}", _delete(description), {"status_code": 204}),
    ):
        routes.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=f"{endpoint.__name__}_{title}".lower(),
            summary=f"{(endpoint.__doc__ or '').partition('.')[0]}: {title}",
            dependencies=[reading if method == "GET" else writing],
            **options,
        )
    routes.add_api_route(
        "/snapshot",
        _snapshot(description),
        methods=["POST"],
        name=f"snapshot_{title}".lower(),
        summary=f"Copy into a dataset: {title}",
        dependencies=[requires(description.read_scope, Scope.DATASETS_WRITE)],
        status_code=202,
        response_model=JobRead,
    )
    return routes


def _made(model: type[BaseModel]) -> dict[str, Any]:
    return {"status_code": 201, "response_model": model}


def _list(description: ResourceDescription) -> Endpoint:
    async def list_rows(
        request: Request,
        service: ResourceService,
        query: BaseModel,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """List the rows that the caller may see."""
        sent = Parameters.of(query)
        page = await service.list_page(
            Sent(sent.where, sent.sort, sent.filters),
            cursor=sent.cursor,
            limit=sent.limit,
            expand=sent.expand,
        )
        body = to_bytes({"items": page.items, "next": page.next, "prev": page.prev})
        headers = {"ETag": body_etag(body), **_links(request, page)}
        if is_known(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=JSON)

    schema = query_schema(description)
    return _typed(list_rows, description, query=Annotated[schema, Query()])


def _create(description: ResourceDescription) -> Endpoint:
    async def create_row(
        request: Request, response: Response, service: ResourceService, body: BaseModel
    ) -> Response:
        """Add one row."""
        shown = await service.create(body)
        place = _root(request) + row_location(description, shown.row)
        return _created(response, place, shown.answer, etag=_etag(description, shown))

    return _typed(create_row, description, body=Annotated[description.create, Body()])


def _bulk(description: ResourceDescription) -> Endpoint:
    async def create_rows(
        request: Request, response: Response, service: ResourceService, body: Any
    ) -> Response:
        """Add all of up to 1,000 rows, or none of them."""
        many = await service.create_many(body.items)
        place = _root(request) + bulk_location(description, [s.row for s in many])
        items = [shown.answer for shown in many]
        return _created(
            response, place, {"items": items, "next": None, "prev": None}, etag=None
        )

    return _typed(create_rows, description, body=Annotated[description.bulk, Body()])


def _get(description: ResourceDescription) -> Endpoint:
    async def get_row(
        id: Any,
        service: ResourceService,
        expand: Expand = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Read one row, with related rows nested in it if wanted."""
        shown = await service.get(id, expand)
        etag = _etag(description, shown)
        if expand is None and is_known(if_none_match, etag):
            return Response(status_code=304, headers={"ETag": etag})
        body = to_bytes(shown.answer)
        if expand is not None:
            etag = nested_etag(_key(description, shown), shown.version, body)
            if is_known(if_none_match, etag):
                return Response(status_code=304, headers={"ETag": etag})
        return Response(body, headers={"ETag": etag}, media_type=JSON)

    return _typed(get_row, description, id=_key_type(description.key))


def _change(description: ResourceDescription) -> Endpoint:
    async def change_row(
        id: Any, service: ResourceService, body: BaseModel, if_match: IfMatch = None
    ) -> Response:
        """Change what the body holds; the rest stays."""
        shown = await service.change(id, body, if_match)
        headers = {"ETag": _etag(description, shown)}
        return Response(to_bytes(shown.answer), headers=headers, media_type=JSON)

    return _typed(
        change_row,
        description,
        id=_key_type(description.key),
        body=Annotated[description.update, Body()],
    )


def _delete(description: ResourceDescription) -> Endpoint:
    async def delete_row(
        id: Any, service: ResourceService, if_match: IfMatch = None
    ) -> Response:
        """Remove one row."""
        await service.delete(id, if_match)
        return Response(status_code=204)

    return _typed(delete_row, description, id=_key_type(description.key))


def _snapshot(description: ResourceDescription) -> Callable[..., Any]:
    async def take_snapshot(
        request: Request,
        response: Response,
        body: SnapshotCreate,
        user: CurrentUser,
        jobs: Jobs,
    ) -> Job:
        """Copy the rows that the caller may see into a new version of a dataset."""
        args = {"resource": description.plural, **body.model_dump()}
        target = f"/api/datasets/{body.dataset}"
        job = await jobs.request(user, SNAPSHOT_TASK, args, target=target)
        response.headers["Location"] = f"{_root(request)}/api/jobs/{job.id}"
        return job

    return take_snapshot


def _typed(
    endpoint: Endpoint, description: ResourceDescription, **types: Any
) -> Endpoint:
    """Give parameters of `endpoint` the types that this resource has."""
    service = Annotated[ResourceService, Depends(service_of(description))]
    endpoint.__annotations__ |= {"service": service, **types}
    return endpoint


def _key_type(column: ResourceColumn) -> Any:
    type_ = value_type(column, strict=False)
    return Annotated[type_, Path(description="The key of the row.")]


def _created(
    response: Response, place: str, document: Any, *, etag: str | None
) -> Response:
    # The unit of work looks here for what an Idempotency-Key must remember.
    response.status_code = 201
    response.headers["Location"] = place
    headers = {"Location": place} | ({} if etag is None else {"ETag": etag})
    return Response(to_bytes(document), 201, headers=headers, media_type=JSON)


def _etag(description: ResourceDescription, shown: Shown) -> str:
    return row_etag(_key(description, shown), shown.version)


def _key(description: ResourceDescription, shown: Shown) -> Any:
    return shown.row[description.key.name]


def _links(request: Request, page: ResourcePage) -> dict[str, str]:
    if page.next is None and page.prev is None:
        return {}
    return {"Link": link_header(base_of(request), page.next, page.prev)}


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))
