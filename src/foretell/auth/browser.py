"""Sets the session cookie and takes it away (see `cookies`)."""

from starlette.requests import Request
from starlette.responses import Response

from foretell.auth.cookies import PLAIN_COOKIE, SECURE_COOKIE, find_cookie
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


def cookie_of(request: Request, options: AuthOptions) -> str | None:
    """The session cookie that the browser sent, live or not."""
    headers = dict(request.scope["headers"])
    return find_cookie(headers, is_production=options.is_production)


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
