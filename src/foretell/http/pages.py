"""Pages from the package: `/`, `/docs` and their files. No other host is asked."""

from importlib import resources

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from foretell.errors import NotFound
from foretell.http.openapi import Contributor, document_for
from foretell.http.routing import public, router

routes = router(tags=["about"])

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# Swagger UI sets style attributes.
_DOCS_POLICY = _PAGE_POLICY.replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
_FILES = frozenset(
    {
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "docs.js",
        "status.js",
        "status.css",
        "icon.svg",
    }
)


def _static(name: str) -> bytes:
    return (resources.files("foretell.http") / "static" / name).read_bytes()


@routes.get("/", include_in_schema=False, dependencies=[public])
def status_page() -> Response:
    """A small page that says whether the server is well and where to go."""
    return HTMLResponse(
        _static("status.html"), headers={"Content-Security-Policy": _PAGE_POLICY}
    )


@routes.get("/docs", include_in_schema=False, dependencies=[public])
def docs_page() -> Response:
    """Swagger UI on this server's own document."""
    return HTMLResponse(
        _static("docs.html"), headers={"Content-Security-Policy": _DOCS_POLICY}
    )


@routes.get("/static/{name}", include_in_schema=False, dependencies=[public])
def static_file(name: str) -> Response:
    """One file of the pages above."""
    if name not in _FILES:
        raise NotFound("There is nothing at this address.")
    suffix = name[name.rindex(".") :]
    return Response(
        _static(name),
        media_type=_TYPES[suffix],
        headers={"Cache-Control": "public, max-age=3600"},
    )


@routes.get("/openapi.json", include_in_schema=False, dependencies=[public])
async def openapi_document(request: Request) -> Response:
    """The OpenAPI document as the caller may see it."""
    contributors: list[Contributor] = request.app.state.openapi_contributors
    document = await document_for(request.app, request.state.principal, contributors)
    root = request.scope.get("root_path", "")
    if root:  # mounted: paths of the document are below it
        document = {**document, "servers": [{"url": root}]}
    return JSONResponse(document, headers={"Vary": "Authorization, Cookie"})
