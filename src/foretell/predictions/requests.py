"""What both doors of predict read from a request beside its body."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.types import Scope

from foretell.predictions.errors import BodyNotJson

MAX_BODY_BYTES = 32 * 1024 * 1024
ARROW = b"application/vnd.apache.arrow.stream"


def is_arrow(content_type: bytes | None) -> bool:
    """Whether the body is an Arrow IPC stream; if not, it is JSON.

    A browser sends other types across sites without asking first, so this is also
    what keeps a foreign page from predicting with a visitor's cookie.

    Raises:
        BodyNotJson: It says it is neither.
    """
    if content_type == b"application/json":
        return False
    kind = (content_type or b"").partition(b";")[0].strip().lower()
    if kind == ARROW:
        return True
    is_json = kind.startswith(b"application/") and kind.endswith(b"+json")
    if kind != b"application/json" and not is_json:
        raise BodyNotJson
    return False


def routing_key_in(headers: Mapping[bytes, bytes]) -> str | None:
    """What keeps a caller with one version while calls are split."""
    key = headers.get(b"x-routing-key")
    return None if key is None else key.decode("latin-1")


def reference_in(scope: Scope) -> str | None:
    """The version that the query names."""
    query: bytes = scope["query_string"]
    if not query:
        return None
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == "version":
            return value
    return None
