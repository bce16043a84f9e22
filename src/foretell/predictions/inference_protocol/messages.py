"""Requests and answers of the protocol, as JSON with bytes behind it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from foretell.predictions.inference_protocol import datatypes
from foretell.predictions.inference_protocol.datatypes import Values
from foretell.predictions.inference_protocol.errors import TensorsInvalid
from foretell.predictions.replies import Reply

MAX_RANK = 2
MAX_VALUES = 4 * 1024**2
"""Most values of one request: each takes some 40 bytes while it is read, whatever its
datatype takes on the way."""
HEADER_LENGTH = "Inference-Header-Content-Length"
_HEADER_LENGTH = HEADER_LENGTH.lower().encode()
JSON, BYTES = "application/json", "application/octet-stream"


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | UnsetType = UNSET


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str | UnsetType = UNSET
    parameters: dict[str, Any] = {}
    outputs: list[_Output] = []


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input, read: its shape, and its elements in row-major order."""

    name: str
    shape: Sequence[int]
    values: Values


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for, beside its tensors.

    Attributes:
        outputs: Names, each with whether it goes as bytes; empty: all of them.
        is_binary: Whether outputs that are not named go as bytes.
    """

    id: str | None
    outputs: Mapping[str, bool]
    is_binary: bool


_decode = msgspec.json.Decoder(_Request).decode


def json_length_in(headers: Mapping[bytes, bytes]) -> str | None:
    """How much of the body is JSON, as the header says."""
    length = headers.get(_HEADER_LENGTH)
    return None if length is None else length.decode("latin-1")


def read(body: bytes, json_length: str | None) -> tuple[list[Tensor], Wanted]:
    """Read a request.

    Args:
        json_length: The header `Inference-Header-Content-Length`; with it, bytes of
            tensors follow so many bytes of JSON.

    Raises:
        TensorsInvalid: It is none; tells the tensor at fault.
    """
    size = _json_length(json_length, len(body))
    try:
        request = _decode(body[:size])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = _endless(body[:size]) or f"This is no inference request: {error}."
        raise TensorsInvalid(why) from None
    names = [one.name for one in request.inputs]
    if not names or len(set(names)) != len(names):
        raise TensorsInvalid("Send at least one input, and each name once.")
    _demand_shapes(request.inputs)
    tensors, at = [], size
    for one in request.inputs:
        tensor, at = _tensor(one, body, at)
        tensors.append(tensor)
    if at != len(body):
        raise TensorsInvalid(f"{len(body) - at} bytes belong to no input.")
    return tensors, _wanted(request)


def _endless(text: bytes) -> str | None:
    """Which input holds a NaN, an Infinity or a 1e400, where nothing else is wrong.

    They are no JSON, so the request could not be read; the standard library takes them.
    """
    try:
        request = msgspec.convert(json.loads(text.decode()), _Request)
    except (ValueError, RecursionError):  # a ValidationError is a ValueError
        return None
    for one in request.inputs:
        for value in [] if one.data is UNSET else datatypes.flat(one.name, one.data):
            if isinstance(value, float) and not math.isfinite(value):
                return (
                    f"Input {one.name!r}: a value is no finite number; a missing one is "
                    "null."
                )
    return None


def _json_length(sent: str | None, total: int) -> int:
    if sent is None:
        return total
    if not (sent.isascii() and sent.isdigit()) or int(sent) > total:
        raise TensorsInvalid(f"{HEADER_LENGTH} is not the length of the JSON.")
    return int(sent)


def _demand_shapes(inputs: Sequence[_Input]) -> None:
    """Return if the tensors are of a kind and size that may be read."""
    for one in inputs:
        if not 1 <= len(one.shape) <= MAX_RANK or any(n < 0 for n in one.shape):
            raise TensorsInvalid(
                f"Input {one.name!r}: a shape is [rows] or [rows, columns], not "
                f"{one.shape}."
            )
    count = sum(math.prod(one.shape) for one in inputs)
    if count > MAX_VALUES:
        raise TensorsInvalid(
            f"{count:,} values are too many for one request, which may hold "
            f"{MAX_VALUES:,}; send fewer rows, or use a batch job."
        )


def _tensor(one: _Input, body: bytes, at: int) -> tuple[Tensor, int]:
    datatypes.demand_known(one.name, one.datatype)
    count = math.prod(one.shape)
    size = one.parameters.get("binary_data_size")
    if size is None:
        data = [] if one.data is UNSET else one.data
        values = datatypes.from_json(one.name, one.datatype, data, count)
        return Tensor(one.name, one.shape, values), at
    if not isinstance(size, int) or size < 0 or at + size > len(body):
        raise TensorsInvalid(
            f"Input {one.name!r}: there are no {size!r} bytes behind the JSON."
        )
    raw = body[at : at + size]
    values = datatypes.from_bytes(one.name, one.datatype, raw, count)
    return Tensor(one.name, one.shape, values), at + size


def _wanted(request: _Request) -> Wanted:
    is_binary = bool(request.parameters.get("binary_data_output", False))
    for one in request.outputs:
        if one.parameters.get("classification"):
            raise TensorsInvalid(
                f"Output {one.name!r}: classification is not offered; the output "
                "probabilities has every class."
            )
    outputs = {
        one.name: bool(one.parameters.get("binary_data", is_binary))
        for one in request.outputs
    }
    return Wanted(None if request.id is UNSET else str(request.id), outputs, is_binary)


def write(
    head: Mapping[str, Any],
    outputs: Sequence[tuple[str, list[int], Values]],
    wanted: Wanted,
) -> Reply:
    """The answer with those of `outputs` that are wanted; if bytes follow its JSON, a
    header tells the length of that."""
    documents: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for name, shape, values in outputs:
        document: dict[str, Any] = {
            "name": name,
            "datatype": values.datatype,
            "shape": shape,
        }
        if wanted.outputs.get(name, wanted.is_binary):
            raw = datatypes.to_bytes(values)
            document["parameters"] = {"binary_data_size": len(raw)}
            pieces.append(raw)
        else:
            document["data"] = list(values.elements)
        documents.append(document)
    own = {} if wanted.id is None else {"id": wanted.id}
    text = orjson.dumps({**head, **own, "outputs": documents})
    if not pieces:
        return Reply(text)
    length = (_HEADER_LENGTH, str(len(text)).encode())
    headers = ((b"content-type", BYTES.encode()), length)
    return Reply(b"".join([text, *pieces]), headers)
