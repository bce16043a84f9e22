"""Takes a good archive and makes a bad one of it."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"
# A member's new bytes; None removes it.
Edits = Mapping[str, bytes | None]


def real(name: str) -> bytes:
    """A file as PyTorch or Keras wrote it (make_files.py)."""
    return (FILES / name).read_bytes()


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        return {name: found.read(name) for name in found.namelist()}


def edited(archive: bytes, edits: Edits) -> bytes:
    """The archive with other members; a new name may be anything."""
    held: dict[str, bytes | None] = {**members(archive), **edits}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for name, data in held.items():
            if data is not None:
                target.writestr(name, data)
    return out.getvalue()


def member(archive: bytes, ending: str) -> str:
    """The full name of the one member with this ending."""
    (found,) = [name for name in members(archive) if name.endswith(ending)]
    return found


def with_json(archive: bytes, ending: str, change: Callable[[Any], None]) -> bytes:
    """The archive with a JSON member changed in place."""
    name = member(archive, ending)
    held = json.loads(members(archive)[name])
    change(held)
    return edited(archive, {name: json.dumps(held).encode()})


def walk(value: Any, key: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Call `change` with each dictionary that has `key`, at any depth."""
    if isinstance(value, list):
        for one in value:
            walk(one, key, change)
    elif isinstance(value, dict):
        if key in value:
            change(value)
        for one in list(value.values()):
            walk(one, key, change)
