"""Makes of what Alembic writes a file that passes the checks of a project."""

import re

from foretell.core.source_layout import tidy

_IMPORT = re.compile(r"^(?:import|from) (\S+).*$", re.MULTILINE)
_REMARK = re.compile(r"^ *# ###.*\n", re.MULTILINE)
# Which extension a table belongs to is said where the table is.
_OWNER = re.compile(r"^ *info=\{.*\},\n", re.MULTILINE)


def tidy_migration(source: str, *first_party: str) -> str:
    """Imports sorted, Alembic's remarks gone, statements laid out as Black does.

    Args:
        first_party: Packages that count as the project's own.
    """
    head, body = source.split("\nrevision: str", 1)
    sections: list[list[str]] = [[], [], []]
    for match in _IMPORT.finditer(head):
        root = match[1].split(".")[0]
        place = 0 if root == "collections" else 2 if root in first_party else 1
        sections[place].append(match[0])
    imports = "\n\n".join("\n".join(sorted(s, key=_rank)) for s in sections if s)
    docstring = head[: head.rindex('"""') + 3].replace("Revises: \n", "Revises:\n")
    body = _OWNER.sub("", _REMARK.sub("", body))
    body = re.sub(r"\n{2,}(?=\n\ndef |$)", "\n", body.rstrip("\n"))
    return tidy(f"{docstring}\n\n{imports}\n\nrevision: str{body}\n")


def _rank(statement: str) -> tuple[bool, str]:
    return statement.startswith("from"), statement.split()[1]
