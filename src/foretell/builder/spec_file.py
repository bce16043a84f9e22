"""Reads `backend.toml`: every fault with its key, its line and the nearest name."""

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError

from foretell.builder.errors import SpecInvalid
from foretell.builder.specification import Spec
from foretell.errors import FieldError

_TABLE = re.compile(r"^\s*\[+([^\]]+)\]+")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([\w.-]+))\s*=""")
_LINE_OF_FAULT = re.compile(r"\(at line (\d+), column (\d+)\)")


def read_spec(path: Path) -> tuple[Spec, dict[PurePosixPath, bytes]]:
    """The spec, and the files beside it that it names and that are there.

    Raises:
        SpecInvalid: The file cannot be read, or something in it is wrong.
    """
    text = _read(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecInvalid(path.name, [_syntax_error(error)]) from None
    try:
        spec = Spec.model_validate(values)
    except ValidationError as error:
        faults = [_fault(item, text) for item in error.errors(include_url=False)]
        raise SpecInvalid(path.name, faults) from None
    return spec, _attachments(spec, path.parent) | {
        PurePosixPath("backend.toml"): text.encode()
    }


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except OSError as error:
        reason = error.strerror or "cannot be read"
    raise SpecInvalid(path.name, [FieldError("", reason, "unreadable")])


def _attachments(spec: Spec, folder: Path) -> dict[PurePosixPath, bytes]:
    names = [dataset.file for dataset in spec.datasets.values()]
    for model in spec.models.values():
        names += [model.file, *([model.example] if model.example else [])]
    return {
        PurePosixPath(name): (folder / name).read_bytes()
        for name in names
        if (folder / name).is_file()
    }


def _syntax_error(error: tomllib.TOMLDecodeError) -> FieldError:
    return FieldError("", f"is no TOML: {error}", "syntax")


def _fault(item: Any, text: str) -> FieldError:
    keys = [str(part) for part in item["loc"]]
    line = line_of(text, keys)
    where = f"line {line}: " if line else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = f"no such key{_nearest(item['loc'])}"
    return FieldError("/" + "/".join(keys), where + message, str(item["type"]))


def _nearest(location: Sequence[int | str]) -> str:
    known = list(_model_at(location[:-1]).model_fields)
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"


def _model_at(location: Sequence[int | str]) -> type[BaseModel]:
    """The part of the spec at a place: tables of a name are one level deep."""
    if not location:
        return Spec
    annotation: Any = Spec.model_fields[str(location[0])].annotation
    for part in getattr(annotation, "__args__", ()):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return annotation if isinstance(annotation, type) else Spec


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line where a key stands, or the table nearest around it."""
    best, found, table = 0, None, []
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            table = [part.strip(" \"'") for part in match[1].split(".")]
            at = table
        elif match := _KEY.match(line):
            quoted = match[1] or match[2]
            at = table + ([quoted] if quoted else match[3].split("."))
        else:
            continue
        depth = min(len(at), len(keys))
        if at[:depth] == list(keys[:depth]) and depth > best:
            best, found = depth, number
    return found
