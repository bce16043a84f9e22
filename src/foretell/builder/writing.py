"""Writes files into a project: all of them or none, and never over anybody's edits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from foretell.builder.errors import FilesDiffer

Contents = Mapping[PurePosixPath, str | bytes]


@dataclass(frozen=True, slots=True)
class Written:
    """One file and what became of it.

    Attributes:
        path: Below the project's folder.
        state: `same` when it was there with the same content.
    """

    path: str
    state: Literal["new", "same", "changed"]


def plan(folder: Path, files: Contents) -> list[Written]:
    """What `write` would do.

    Raises:
        FilesDiffer: A file is there with another content.
    """
    found, differing = [], []
    for path, content in sorted(files.items()):
        there = folder / path
        if not there.exists() and not there.is_symlink():
            found.append(Written(str(path), "new"))
        elif there.is_file() and there.read_bytes() == _bytes(content):
            found.append(Written(str(path), "same"))
        else:
            differing.append(Path(path))
    if differing:
        raise FilesDiffer(differing)
    return found


def write(folder: Path, files: Contents) -> list[Written]:
    """Write the files that are not there yet.

    Raises:
        FilesDiffer: A file is there with another content; nothing was written.
    """
    found = plan(folder, files)
    done: list[Path] = []
    try:
        for item in found:
            if item.state == "new":
                done.append(folder / item.path)
                _put(folder / item.path, _bytes(files[PurePosixPath(item.path)]))
    except OSError:
        _take_back(folder, done)
        raise
    return found


def change(folder: Path, path: PurePosixPath, text: str) -> Written:
    """Replace a file of ours in one step."""
    there = folder / path
    fresh = there.with_name(f".{there.name}.new")
    fresh.write_text(text, "utf-8")
    fresh.replace(there)
    return Written(str(path), "changed")


def _take_back(folder: Path, paths: list[Path]) -> None:
    """Remove files that were just written, and the folders they leave empty."""
    for path in paths:
        if path.is_file():
            path.unlink()
    parents = {p for path in paths for p in path.parents if folder in p.parents}
    for parent in sorted(parents, reverse=True):
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
