"""What can be wrong with a name, a field, a spec file or the files already there."""

from collections.abc import Sequence
from pathlib import Path

from foretell.errors import Conflict, FieldError, Invalid, NotFound


class NameRefused(Invalid):
    """A name would not work as what it is for; the message says why."""

    slug = "name-refused"

    def __init__(self, what: str, name: str, reason: str) -> None:
        super().__init__(f"{what} {name!r}: {reason}", name=name)


class FieldRefused(Invalid):
    """A field is not written as `name:type`, or its name or type cannot be."""

    slug = "field-refused"

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"field {text!r}: {reason}", field=text)


class SpecInvalid(Invalid):
    """A spec file is wrong; each fault names its key and line."""

    slug = "spec-invalid"

    def __init__(self, name: str, faults: Sequence[FieldError]) -> None:
        super().__init__(f"{name} cannot be used:", errors=faults)


class FilesDiffer(Conflict):
    """Files of these names are there with another content; nothing was written."""

    slug = "files-differ"

    def __init__(self, paths: Sequence[Path]) -> None:
        names = "\n".join(f"  {path}" for path in paths)
        super().__init__(
            f"Nothing was written, because these files are there and differ:\n{names}\n"
            "They are yours: move them away or choose another name, then run it again.",
            files=[str(path) for path in paths],
        )


class NotAProject(NotFound):
    """The folder holds no project that `foretell new` made."""

    slug = "not-a-project"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} has no pyproject.toml with a [tool.foretell] table. Run this in "
            "a project, or make one: foretell new NAME",
        )


class MigrationFailed(Conflict):
    """Alembic could not make the migration of what was generated."""

    slug = "migration-failed"

    def __init__(self, output: str) -> None:
        super().__init__(f"The migration was not made; nothing was kept.\n{output}")


class ProjectUnclear(Conflict):
    """The extension's module was changed so that it cannot be added to by itself."""

    slug = "project-unclear"

    def __init__(self, module: str) -> None:
        super().__init__(
            f'Add "{module}" to Extension(..., modules=[...]) in extension.py by hand, '
            "then run this again."
        )


class NothingToMigrate(Conflict):
    """The tables have no change that no migration makes."""

    slug = "nothing-to-migrate"

    def __init__(self) -> None:
        super().__init__("The migrations make the tables as they are; none is missing.")


class ColumnsUnfit(Invalid):
    """A table cannot become a resource."""

    slug = "columns-unfit"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class ClientNotMade(Conflict):
    """The project's API cannot be described, or holds nothing to make a client of."""

    slug = "client-not-made"
