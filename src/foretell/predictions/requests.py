"""What both doors of predict read from a request beside its body."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.types import Scope

from foretell.predictions.errors import BodyNotJson
from foretell.predictions.forms import ANY, ARROW, NPY, PLAIN, Form, Kind

MAX_BODY_BYTES = 32 * 1024 * 1024
_KINDS: dict[bytes, Kind] = {ARROW: "arrow", NPY: "npy"}
_JSON = b"application/json"


def form_of(headers: Mapping[bytes, bytes], *, is_any: bool = False) -> Form:
    """How the body is written, and how the answer is to be.

    Args:
        is_any: The body may name the model.

    Raises:
        BodyNotJson: The body is nothing that is read here.
    """
    kind = _kind_of(headers.get(b"content-type"))
    output = _output_in(headers.get(b"accept", b""))
    if kind == "json" and output is None:
        return ANY if is_any else PLAIN
    return Form(kind, output, is_any)


def _kind_of(content_type: bytes | None) -> Kind:
    """A browser sends other types across sites without asking first, so this is also
    what keeps a foreign page from predicting with a visitor's cookie."""
    if content_type == _JSON:
        return "json"
    kind = (content_type or b"").partition(b";")[0].strip().lower()
    if kind in _KINDS:
        return _KINDS[kind]
    is_json = kind.startswith(b"application/") and kind.endswith(b"+json")
    if kind != _JSON and not is_json:
        raise BodyNotJson
    return "json"


def _output_in(accept: bytes) -> str | None:
    """The output that is wanted as an array; none where JSON is as welcome."""
    if b"npy" not in accept:
        return None
    best, output = 0.0, None
    for offer in accept.decode("latin-1").split(","):
        kind, _, rest = offer.strip().partition(";")
        given = [p.strip().partition("=") for p in rest.split(";")]
        parameters = {name.lower(): value.strip('" ') for name, _, value in given}
        quality = _quality(parameters.get("q"))
        kind = kind.strip().lower()
        if kind == _JSON.decode() and quality > best:
            best, output = quality, None
        elif kind == NPY.decode() and quality > best:
            best, output = quality, parameters.get("output", "prediction")
    return output


def _quality(value: str | None) -> float:
    try:
        return 1.0 if value is None else float(value)
    except ValueError:
        return 0.0


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
