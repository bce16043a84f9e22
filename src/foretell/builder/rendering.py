"""Turns the plain files below `templates/` into files of a project.

A template is text with `$names`; nothing is decided in it. Python comes out as Black
and ruff leave it, whatever the length of the names.
"""

import sys
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from string import Template

from foretell.core.source_layout import tidy

Files = dict[PurePosixPath, str]
"""Texts by path below the project's folder."""


def render(template: str, **values: str) -> str:
    """The template of that name below `templates/`, filled in.

    Raises:
        KeyError: The template has a name that `values` lacks.
    """
    text = _template(template).substitute(values)
    return tidy(text) if template.endswith(".py") else text


@cache
def _template(name: str) -> Template:
    file = files("foretell.builder") / "templates" / f"{name}.tmpl"
    return Template(file.read_text("utf-8"))


def import_block(names: Iterable[str], *first_party: str) -> str:
    """Import statements as ruff sorts them.

    Args:
        names: `module.name` for `from module import name`, `module` followed by a blank
            (`datetime as dt`) or by nothing more than a colon (`json:`) for
            `import module`.
        first_party: Packages of the project itself.
    """
    plain: dict[int, set[str]] = {}
    members: dict[int, dict[str, set[str]]] = {}
    for name in names:
        if " as " in name or name.endswith(":"):
            statement = name.rstrip(":")
            plain.setdefault(_section(statement, first_party), set()).add(statement)
        else:
            module, _, member = name.rpartition(".")
            section = members.setdefault(_section(module, first_party), {})
            section.setdefault(module, set()).add(member)
    sections = [
        [
            *(f"import {name}" for name in sorted(plain.get(place, ()))),
            *_from_imports(members.get(place, {})),
        ]
        for place in range(3)
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _from_imports(modules: dict[str, set[str]]) -> list[str]:
    return [
        f"from {module} import {', '.join(sorted(members, key=_rank))}"
        for module, members in sorted(modules.items())
    ]


def _rank(member: str) -> tuple[int, str]:
    """Constants, classes, functions: as ruff puts the members of one import."""
    if len(member) > 1 and member.isupper():
        return 0, member
    return (1 if member[0].isupper() else 2), member


def _section(module: str, first_party: tuple[str, ...]) -> int:
    root = module.split(" ")[0].split(".")[0]
    if root in sys.stdlib_module_names:
        return 0
    return 2 if root in first_party else 1
