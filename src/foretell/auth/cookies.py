"""The session cookie: its names, and how it is found in a request.

Over https its name starts with `__Host-`, so that no neighbouring host and no
plain http can plant one. Over plain http browsers refuse that name; there the
cookie has another one, which a production server neither sets nor reads.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

SECURE_COOKIE = "__Host-ftl_session"
PLAIN_COOKIE = "ftl_session"


def find_cookie(headers: Mapping[bytes, bytes], *, is_production: bool) -> str | None:
    """The value of the session cookie, if the request has one that counts."""
    sent = headers.get(b"cookie")
    if sent is None or PLAIN_COOKIE.encode() not in sent:
        return None
    try:
        jar = SimpleCookie(sent.decode("latin-1"))
    except CookieError:
        return None
    if SECURE_COOKIE in jar:
        return jar[SECURE_COOKIE].value
    if PLAIN_COOKIE in jar and not is_production:
        return jar[PLAIN_COOKIE].value
    return None
