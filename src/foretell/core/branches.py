"""Branches of migrations: Foretell's own, and one for each extension.

All share one `alembic_version` table. A branch has a label, a folder of versions and
the tables that are its alone, so that whatever compares code with a database leaves
the tables of others (of extensions that are switched off, of nobody) as they are.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

BASE_LABEL = "foretell"
_MAX_STEM = 27  # of the 32 characters that alembic_version has


@dataclass(frozen=True, slots=True)
class Branch:
    """The migrations of one extension.

    Attributes:
        name: The extension's name, for people.
        label: Its branch label in Alembic.
        folder: Where its versions are; made with the first one.
        tables: Names of its tables.
    """

    name: str
    label: str
    folder: Path
    tables: frozenset[str]

    def revision_id(self, number: int) -> str:
        """The id of its `number`-th migration: no other branch has it."""
        stem = self.label
        if len(stem) > _MAX_STEM:
            digest = sha256(stem.encode()).hexdigest()[:8]
            stem = f"{stem[: _MAX_STEM - 9]}_{digest}"
        return f"{stem}_{number:04d}"


Branches = tuple[Branch, ...]
