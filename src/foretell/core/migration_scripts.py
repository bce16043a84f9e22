"""The migrations that are installed: Foretell's own and those of extensions."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from foretell.core.branches import BASE_LABEL, Branch, Branches

_LOCATION = "foretell:migrations"
_OWN_VERSIONS = "foretell:migrations/versions"
_OWN_ID = re.compile(r"\d{4}")


def config_of(
    branches: Branches,
    connection: Connection | None = None,
    tables: frozenset[str] = frozenset(),
) -> Config:
    """Alembic's configuration.

    Args:
        tables: Those that autogenerate compares; it leaves all others alone.
    """
    config = _bare_config(branches)
    config.attributes["connection"] = connection
    config.attributes["tables"] = tables
    config.attributes["is_known"] = scripts_of(branches).knows
    return config


def _bare_config(branches: Branches) -> Config:
    folders = [str(branch.folder) for branch in branches if branch.folder.is_dir()]
    config = Config()
    config.set_main_option("script_location", _LOCATION)
    config.set_main_option("path_separator", "newline")
    locations = "\n".join([_OWN_VERSIONS, *folders])
    config.set_main_option("version_locations", locations.replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


class Scripts:
    """All installed migrations, read once: they come with packages.

    A database may hold more than these: the migrations of extensions that are
    switched off. Our own ids are four digits, so that the two can be told apart.
    """

    def __init__(self, branches: Branches) -> None:
        self._directory = ScriptDirectory.from_config(_bare_config(branches))
        self._by_id = {s.revision: s for s in self._directory.walk_revisions()}
        self.heads = frozenset(self._directory.get_heads())

    def knows(self, revision: str) -> bool:
        return revision in self._by_id

    def labels(self) -> frozenset[str]:
        """Labels of the branches that have a migration."""
        return frozenset(
            label for s in self._by_id.values() for label in s.branch_labels
        )

    def missing(self, current: Iterable[str]) -> frozenset[str]:
        """Heads that a database at `current` has not applied. Alembic keeps no row
        of what another row depends on, so rows alone do not tell."""
        return self.heads - self.applied(current)

    def applied(self, current: Iterable[str]) -> frozenset[str]:
        """All migrations below and at `current`, dependencies too."""
        found: set[str] = set()
        ahead = [revision for revision in current if self.knows(revision)]
        while ahead:
            revision = ahead.pop()
            if revision not in found:
                found.add(revision)
                ahead += self._below(self._by_id[revision])
        return frozenset(found)

    def next_id(self, branch: Branch | None) -> str:
        """The id of the next migration of a branch, of Foretell's own without."""
        stem = branch.revision_id(0).removesuffix("0000") if branch else ""
        tails = [i.removeprefix(stem) for i in self._by_id if i.startswith(stem)]
        number = max((int(t) for t in tails if _OWN_ID.fullmatch(t)), default=0) + 1
        return branch.revision_id(number) if branch else f"{number:04d}"

    def first_of_base(self) -> str:
        """Foretell's first migration, on which the branches of extensions depend."""
        return next(
            s.revision
            for s in self._by_id.values()
            if s.is_base and BASE_LABEL in s.branch_labels
        )

    def _below(self, script: Script) -> Iterator[str]:
        for names in (script.down_revision, script.dependencies):
            for name in (names,) if isinstance(names, str) else names or ():
                found = self._directory.get_revision(name)
                if found is not None:
                    yield found.revision


@cache
def scripts_of(branches: Branches) -> Scripts:
    """The migrations of Foretell and of `branches`."""
    return Scripts(branches)


def is_own(revision: str) -> bool:
    """Whether an id is of Foretell's own migrations, of any version."""
    return _OWN_ID.fullmatch(revision) is not None
