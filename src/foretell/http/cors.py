"""Which pages of other origins may ask, and what they may send and see."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "Last-Event-ID",
    "Prefer",
    "X-CSRF-Token",
    "X-Request-ID",
    "X-Routing-Key",
)
_SHOWN = (
    "ETag",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Model",
    "X-Model-Version",
    "X-Request-ID",
)


def with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """`app`, for pages of these origins too; `app` itself for none."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_credentials=True,
        allow_methods=_METHODS,
        allow_headers=_SENT,
        expose_headers=_SHOWN,
        max_age=600,
    )
