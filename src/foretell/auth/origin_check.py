"""Whether a browser's request comes from a page that may send it.

Cookies travel with requests that other sites make. Browsers say where a request
comes from, in two headers that pages cannot set; one that says "elsewhere" is
enough to refuse. Programs send neither.
"""

from collections.abc import Mapping

from foretell.auth.errors import CsrfFailed
from foretell.auth.work import AuthOptions

_OWN_SITES = (b"same-origin", b"none")


def check_origin(headers: Mapping[bytes, bytes], options: AuthOptions) -> None:
    """Return if the request may come from a page of ours or of a named front end.

    Raises:
        CsrfFailed: `Origin` or `Sec-Fetch-Site` names another site, or hides it.
    """
    origin = headers.get(b"origin")
    if origin is not None and origin.decode("latin-1") in options.origins:
        return
    if headers.get(b"sec-fetch-site", b"none").lower() not in _OWN_SITES:
        raise CsrfFailed("The request comes from a page of another site.")
    if origin is not None and not _is_own(origin, headers, options):
        raise CsrfFailed("The request comes from a page of another origin.")


def check_reader(headers: Mapping[bytes, bytes], options: AuthOptions) -> None:
    """Return if a page that reads with the cookie may: a stream of events above all,
    which a browser opens for any page that asks. A link followed from elsewhere names
    no origin and is fine.

    Raises:
        CsrfFailed: `Origin` names another site.
    """
    if b"origin" in headers:
        check_origin(headers, options)


def _is_own(
    origin: bytes, headers: Mapping[bytes, bytes], options: AuthOptions
) -> bool:
    if origin.decode("latin-1") == options.address:
        return True
    # The edge has checked Host against the known names. The scheme is not told when
    # a proxy ends TLS, so both count; `__Host-` cookies travel over https alone.
    host = headers.get(b"host", b"")
    return bool(host) and origin.lower() in (
        b"https://" + host.lower(),
        b"http://" + host.lower(),
    )
