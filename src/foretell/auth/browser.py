"""The session cookie: how it is set and taken away.

Over https its name starts with `__Host-`, so that no neighbouring host and no
plain http can plant one. Over plain http browsers refuse that name; there the
cookie has another one, which a production server neither sets nor reads.
"""

from starlette.requests import Request
from starlette.responses import Response

from foretell.auth.authenticator import PLAIN_COOKIE, SECURE_COOKIE
from foretell.auth.errors import HttpsNeeded
from foretell.auth.origin_check import check_origin
from foretell.auth.sessions import ABSOLUTE
from foretell.auth.work import AuthOptions


def ensure_may_open(request: Request, options: AuthOptions) -> None:
    """Return if a browser may sign in with this request.

    Raises:
        HttpsNeeded: Production over plain http.
        CsrfFailed: Another site's page sent it, to sign people in as somebody.
    """
    if options.is_production and request.url.scheme != "https":
        raise HttpsNeeded
    check_origin(dict(request.scope["headers"]), options)


def set_cookie(request: Request, response: Response, value: str) -> None:
    """Give the browser its session."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        SECURE_COOKIE if is_secure else PLAIN_COOKIE,
        value,
        max_age=int(ABSOLUTE.total_seconds()),
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="lax",
    )
    response.headers["Cache-Control"] = "no-store"


def clear_cookies(response: Response) -> None:
    """Take the session from the browser, under either name."""
    response.delete_cookie(SECURE_COOKIE, path="/", secure=True, httponly=True)
    response.delete_cookie(PLAIN_COOKIE, path="/", httponly=True)
