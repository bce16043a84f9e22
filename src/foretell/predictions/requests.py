"""What both doors of predict read from a request beside its body."""

from urllib.parse import parse_qsl

from starlette.types import Scope

from foretell.predictions.errors import BodyNotJson

MAX_BODY_BYTES = 32 * 1024 * 1024


def demand_json(content_type: bytes | None) -> None:
    """Refuse a body that does not say it is JSON.

    A browser sends other types across sites without asking first, so this is also
    what keeps a foreign page from predicting with a visitor's cookie.
    """
    if content_type == b"application/json":
        return
    kind = (content_type or b"").partition(b";")[0].strip().lower()
    is_json = kind.startswith(b"application/") and kind.endswith(b"+json")
    if kind != b"application/json" and not is_json:
        raise BodyNotJson


def reference_in(scope: Scope) -> str | None:
    """The version that the query names."""
    query: bytes = scope["query_string"]
    if not query:
        return None
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == "version":
            return value
    return None
