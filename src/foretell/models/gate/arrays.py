"""Checks the descriptions of numpy arrays and dtypes that a pickle contains.

A dtype's state can lie (an object array declared as plain bytes makes numpy follow
forged pointers), so the gate builds the dtype itself from the checked parts and
demands that the state is exactly what numpy would have written for it.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from foretell.models.gate.values import Blob, Items, Made, Pairs

_PLAIN = re.compile(r"[?bBiufcSUVO][0-9]{0,9}\Z|[mM]8\Z|[<>|=]?[biuf][1248]\Z")
_MAX_DIMENSIONS = 64


class BadArray(ValueError):
    """The description does not fit the data, or numpy would not have written it."""


def dtype_of_args(args: Sequence[Any]) -> np.dtype[Any]:
    """The dtype that `numpy.dtype(*args)` makes, before its state is set."""
    text = args[0] if args else None
    flags = args[1:]
    if not isinstance(text, str) or not _PLAIN.match(text):
        raise BadArray("A dtype is not made from a plain type code.")
    if len(args) > 3 or any(flag not in (0, 1, False, True) for flag in flags):
        raise BadArray("A dtype has unusual arguments.")
    return np.dtype(text)


def dtype_of_state(start: np.dtype[Any], state: Any) -> np.dtype[Any]:
    """The dtype after BUILD, if its state is one that numpy writes."""
    if not isinstance(state, tuple) or not 8 <= len(state) <= 9:
        raise BadArray("A dtype has a state of unknown form.")
    order, subarray, names, fields = state[1:5]
    if subarray is not None:
        built = _subarray(subarray)
    elif names is not None:
        built = _record(names, fields, state[5], state[7])
    elif start.kind in "mM":
        built = _time(start, state)
    else:
        built = start.newbyteorder(order) if order in ("<", ">") else start
    _compare(built, state)
    return built


def _compare(built: np.dtype[Any], state: tuple[Any, ...]) -> None:
    wanted = built.__reduce__()[2]
    # Only the numbers and the byte order: the parts were checked one by one.
    for index in (1, 5, 6, 7):
        if wanted[index] != state[index]:
            raise BadArray("A dtype's state is not what numpy writes for it.")


def _subarray(subarray: Any) -> np.dtype[Any]:
    if not (isinstance(subarray, tuple) and len(subarray) == 2):
        raise BadArray("A dtype has a broken subarray.")
    base, shape = subarray
    return np.dtype((_detail(base), checked_shape(shape)))


def _record(names: Any, fields: Any, size: Any, flags: Any) -> np.dtype[Any]:
    if not isinstance(names, tuple) or not isinstance(fields, Pairs):
        raise BadArray("A dtype has broken fields.")
    formats, offsets = [], []
    for name in names:
        place = fields.get(name) if isinstance(name, str) else None
        if not isinstance(place, tuple) or len(place) != 2:
            raise BadArray("A dtype names a field that it does not describe.")
        part, offset = _detail(place[0]), place[1]
        if part.hasobject or not isinstance(offset, int):
            raise BadArray("A record dtype holds objects.")
        formats.append(part)
        offsets.append(offset)
    if not isinstance(size, int) or not isinstance(flags, int):
        raise BadArray("A dtype has a broken size.")
    try:
        return np.dtype(
            {
                "names": list(names),
                "formats": formats,
                "offsets": offsets,
                "itemsize": size,
            },
            align=bool(flags & 0x80),
        )
    except (TypeError, ValueError) as error:
        raise BadArray("A dtype's fields do not fit.") from error


def _time(start: np.dtype[Any], state: tuple[Any, ...]) -> np.dtype[Any]:
    meta = state[8][1] if len(state) == 9 and isinstance(state[8], tuple) else None
    if not (isinstance(meta, tuple) and len(meta) == 4):
        raise BadArray("A time dtype has no unit.")
    unit, number = meta[0], meta[1]
    if isinstance(unit, bytes):
        unit = unit.decode("latin-1")
    if not re.match(r"(generic|[YMWDhmsunpfa]|[munpfa]s)\Z", str(unit)):
        raise BadArray("A time dtype has an unknown unit.")
    name = {"m": "timedelta64", "M": "datetime64"}[start.kind]
    built = np.dtype(name if unit == "generic" else f"{name}[{number}{unit}]")
    return built.newbyteorder(state[1]) if state[1] in ("<", ">") else built


def _detail(value: Any) -> np.dtype[Any]:
    if isinstance(value, Made) and isinstance(value.detail, np.dtype):
        return value.detail
    raise BadArray("A dtype was expected.")


def checked_shape(shape: Any) -> tuple[int, ...]:
    """The shape as a tuple of non-negative integers."""
    if isinstance(shape, int) and not isinstance(shape, bool):
        shape = (shape,)
    if not isinstance(shape, tuple) or len(shape) > _MAX_DIMENSIONS:
        raise BadArray("An array has no proper shape.")
    for size in shape:
        # numpy writes its own integers into joblib's shapes now and then
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise BadArray("An array has no proper shape.")
    return shape


def check_payload(shape: Any, dtype: Any, payload: Any) -> tuple[Any, np.dtype[Any]]:
    """Demand that the payload holds exactly the array's items.

    Returns:
        The shape and the dtype.
    """
    kind = _detail(dtype)
    count = math.prod(checked_shape(shape))
    if kind.hasobject:
        if not isinstance(payload, Items) or len(payload.items) != count:
            raise BadArray("An object array has another number of items.")
        return shape, kind
    if payload_length(payload) != count * kind.itemsize:
        raise BadArray("An array's data has another length than its shape needs.")
    return shape, kind


def payload_length(payload: Any) -> int:
    """Length of a byte string on the gate's stack; -1 for anything else."""
    if isinstance(payload, Blob):
        return payload.length
    if isinstance(payload, bytes):
        return len(payload)
    return -1
