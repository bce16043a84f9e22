"""A project that is there: its package, its resources, its list of modules."""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from foretell.builder.errors import NotAProject, ProjectUnclear
from foretell.builder.names import ResourceName
from foretell.core.source_layout import tidy

_SKIPPED = frozenset({"__pycache__"})


@dataclass(frozen=True, slots=True)
class ExistingProject:
    """Where a project is and what its package is called."""

    folder: Path
    package: str

    @classmethod
    def find(cls, folder: Path) -> "ExistingProject":
        """The project whose `pyproject.toml` is in `folder`.

        Raises:
            NotAProject: There is none, or it names no package.
        """
        try:
            text = (folder / "pyproject.toml").read_text("utf-8")
            package = str(tomllib.loads(text)["tool"]["foretell"]["package"])
        except (OSError, KeyError, TypeError, UnicodeError, tomllib.TOMLDecodeError):
            raise NotAProject(folder) from None
        if not (folder / package / "extension.py").is_file():
            raise NotAProject(folder)
        return cls(folder, package)

    def sources(self) -> dict[PurePosixPath, bytes]:
        """Every file of the package: what an import of it may need."""
        return {
            PurePosixPath(path.relative_to(self.folder).as_posix()): path.read_bytes()
            for path in sorted((self.folder / self.package).rglob("*"))
            if path.is_file() and not _SKIPPED.intersection(path.parts)
        }

    def resources(self) -> list[ResourceName]:
        """Resources that are a file of `resources/` each, as they are generated."""
        folder = self.folder / self.package / "resources"
        return [
            ResourceName(path.stem)
            for path in sorted(folder.glob("*.py"))
            if _has_class(path, ResourceName(path.stem).class_name)
        ]

    def extension_source(self) -> str:
        """The module that makes the extension."""
        return (self.folder / self.package / "extension.py").read_text("utf-8")


def add_module(source: str, module: str) -> str | None:
    """`source` with `module` among those that its `Extension(...)` imports; `None`
    when it is there already.

    Raises:
        ProjectUnclear: There is no such call, or its modules are no plain list.
    """
    call = _extension_call(source, module)
    listed = next((k.value for k in call.keywords if k.arg == "modules"), None)
    if listed is None:
        return _inserted(source, call, f', modules=["{module}"])')
    if not isinstance(listed, ast.List):
        raise ProjectUnclear(module)
    names = [item.value for item in listed.elts if isinstance(item, ast.Constant)]
    if any(module == name or module.startswith(f"{name}.") for name in map(str, names)):
        return None
    has_comma = _text_before_end(source, listed).rstrip().endswith((",", "["))
    return _inserted(source, listed, f'{"" if has_comma else ", "}"{module}"]')


def _extension_call(source: str, module: str) -> ast.Call:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        raise ProjectUnclear(module) from None
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and _name_of(value.func) == "Extension":
            return value
    raise ProjectUnclear(module)


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _end_of(source: str, node: ast.expr) -> int:
    """Where the last character of a node stands, in characters of `source`."""
    lines = source.splitlines(keepends=True)
    row, column = node.end_lineno or 0, node.end_col_offset or 0
    before = sum(map(len, lines[: row - 1]))
    return before + len(lines[row - 1].encode()[:column].decode()) - 1


def _text_before_end(source: str, node: ast.expr) -> str:
    return source[: _end_of(source, node)]


def _inserted(source: str, node: ast.expr, text: str) -> str:
    end = _end_of(source, node)
    before = source[:end].rstrip().removesuffix(",") if text[0] == "," else source[:end]
    return tidy(before + text + source[end + 1 :])


def _has_class(path: Path, name: str) -> bool:
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeError):
        return False
    return any(isinstance(n, ast.ClassDef) and n.name == name for n in tree.body)
