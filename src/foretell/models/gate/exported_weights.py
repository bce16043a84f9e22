"""Checks the weights of an exported program: raw items, as many as the tensors need."""

from collections.abc import Mapping, Sequence
from typing import Any

from foretell.models.gate.archives import Archive
from foretell.models.gate.containers import BadContainer
from foretell.models.gate.objections import Objection

WEIGHTS, CONSTANTS = "data/weights/", "data/constants/"
CONFIGS = {
    WEIGHTS: f"{WEIGHTS}model_weights_config.json",
    CONSTANTS: f"{CONSTANTS}model_constants_config.json",
}
PREFIXES = {WEIGHTS: "weight_", CONSTANTS: "tensor_"}
# Bytes by the number that PyTorch's schema gives a type.
_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
_STRIDED = 7
_MAX_DIMENSIONS = 64


def payloads(archive: Archive, root: str, place: str, config: Any) -> list[str]:
    """Names of the members with the items of the tensors that a config describes."""
    entries = config.get("config") if isinstance(config, dict) else None
    if not isinstance(entries, dict):
        raise Objection("weights", "The list of weights is unreadable.")
    names: dict[str, None] = {}
    for name, entry in entries.items():
        member = place + _check_entry(name, entry, PREFIXES[place])
        size = archive.sizes.get(root + member)
        if size is None:
            raise BadContainer(f"The weights of {name[:80]!r} are missing.")
        if _extent(entry["tensor_meta"]) > size:
            message = f"The weights of {name[:80]!r} are cut off."
            raise Objection("weights", message)
        names[member] = None
    return list(names)


def _check_entry(name: str, entry: Any, prefix: str) -> str:
    if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
        message = (
            f"{name[:80]!r} is stored as a pickle, which exported weights are not."
        )
        raise Objection("second_pickle", message, name[:80])
    path = entry.get("path_name")
    number = str(path).removeprefix(prefix)
    if number == path or not number.isascii() or not number.isdigit():
        raise Objection("weights", f"{name[:80]!r} is kept in an unusual place.")
    meta = entry.get("tensor_meta")
    if not isinstance(meta, dict) or meta.get("layout") != _STRIDED:
        raise Objection("weights", f"{name[:80]!r} is no dense tensor.")
    return str(path)


def _extent(meta: Mapping[str, Any]) -> int:
    """Bytes from the start of the storage to the end of a tensor's last item."""
    item = _ITEM_BYTES.get(meta.get("dtype", 0))
    sizes = _whole(meta.get("sizes", ()))
    strides = _whole(meta.get("strides", ()))
    offset = whole(meta.get("storage_offset"))
    if item is None or offset is None:
        raise Objection("weights", "A tensor of the weights has no plain form.")
    if 0 in sizes:
        return 0
    steps = zip(sizes, strides, strict=True)
    last = sum((size - 1) * stride for size, stride in steps)
    return (offset + last + 1) * item


def _whole(values: Sequence[Any]) -> list[int]:
    found = [whole(one) for one in values]
    if None in found or len(found) > _MAX_DIMENSIONS:
        raise Objection("weights", "A tensor of the weights has no plain form.")
    return [one for one in found if one is not None]


def whole(value: Any) -> int | None:
    """A size that is a number; None for a symbol."""
    number = value.get("as_int") if isinstance(value, dict) else None
    is_size = isinstance(number, int) and not isinstance(number, bool) and number >= 0
    return number if is_size else None
