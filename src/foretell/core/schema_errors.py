"""Why a database is not the one that is needed, each with the next command to run."""

from collections.abc import Sequence

from foretell.errors import Conflict, Invalid


class SchemaOutdated(Conflict):
    """The database has another schema than this version of Foretell.

    Args:
        found: Where it is; empty where it has no tables at all.
    """

    slug = "schema-outdated"

    def __init__(self, found: str, wanted: str) -> None:
        if found:
            detail = (
                f"The database schema is at {found}, this version needs {wanted}. "
                "Back it up, then run: foretell db upgrade"
            )
        else:
            detail = "The database is empty. Make its tables with: foretell db upgrade"
        super().__init__(detail, found=found, wanted=wanted)


class SchemaUnknown(Conflict):
    """The database was upgraded by a newer version of Foretell."""

    slug = "schema-unknown"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database schema is at {found}, which this version does not know. "
            "Install the version that made it, switch on the extension that did, "
            "or restore a backup.",
            found=found,
        )


class MigrationMissing(Conflict):
    """A table of an extension is in its code and in none of its migrations."""

    slug = "migration-missing"

    def __init__(self, extension: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"The extension {extension!r} has no migration for {', '.join(missing)}. "
            f"Run: foretell db revision --extension {extension} -m 'what changes', "
            "then: foretell db upgrade",
            extension=extension,
            missing=list(missing),
        )


class MigrationRefused(Invalid):
    """The migrations cannot be taken where they should go."""

    slug = "migration-refused"
