"""`foretell db …`: the schema of Foretell's own database, extensions included."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foretell.errors import Conflict, Invalid, NotFound
from foretell.settings import PREFIX

if TYPE_CHECKING:
    from foretell.core.branches import Branch, Branches
    from foretell.core.db import Database

commands = typer.Typer(help="Foretell's own database.", no_args_is_help=True)
OWN = "foretell"

App = Annotated[
    str | None, typer.Option(help="Application whose tables count too, module:name.")
]


class SchemaDiffers(Conflict):
    """The tables of the database are not those of this version."""

    slug = "schema-differs"

    def __init__(self, differences: list[str]) -> None:
        super().__init__(
            "The database differs from the tables of this version:\n"
            + "\n".join(f"  {item}" for item in differences)
        )


class ExtensionUnclear(Invalid):
    """A migration could be of more than one extension."""

    slug = "extension-unclear"


class ExtensionUnknown(NotFound):
    """No extension of that name is in use."""

    slug = "extension-unknown"


@commands.command("upgrade")
def upgrade(
    revision: Annotated[str, typer.Argument(help="All heads without.")] = "heads",
    app: App = None,
) -> None:
    """Bring the schema up to this version."""
    from foretell.core import schema

    shown = _run(app, lambda db, known: schema.upgrade(db, revision, known))
    print(f"schema at {shown}")


@commands.command("downgrade")
def downgrade(
    revision: Annotated[
        str, typer.Argument(help="As shop@-1, shop@base, a revision, or base for all.")
    ],
    app: App = None,
) -> None:
    """Bring the schema back to an older revision, wholly or of one extension."""
    from foretell.core import schema

    shown = _run(app, lambda db, known: schema.downgrade(db, revision, known))
    print(f"schema at {shown}")


@commands.command("revision")
def revision(
    message: Annotated[str, typer.Option("--message", "-m", help="What it changes.")],
    extension: Annotated[
        str | None,
        typer.Option(help="Whose tables; needed when there are several extensions."),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="Without statements, to fill by hand.")
    ] = False,
    app: App = None,
) -> None:
    """Write a new migration from what the tables have and the database has not.

    The database is brought up to date first.
    """
    from foretell.core import schema

    def write(database: "Database", branches: "Branches") -> Awaitable[str | None]:
        branch = _branch_of(extension, branches)
        return schema.make_revision(
            database, message, branches, branch=branch, is_empty=empty
        )

    print(_run(app, write) or "nothing to migrate: the database has all tables")


@commands.command("check")
def check(app: App = None) -> None:
    """Exit 1 unless the database has exactly the schema of this version."""
    from foretell.core import schema

    async def look(database: "Database", branches: "Branches") -> list[str]:
        await schema.ensure_current(database, branches)
        return await schema.differences(database, branches)

    if found := _run(app, look):
        raise SchemaDiffers(found)
    print("the schema is current")


def _branch_of(extension: str | None, branches: "Branches") -> "Branch | None":
    """The branch to write to; `None` is Foretell's own."""
    names = ", ".join(branch.name for branch in branches)
    if extension is None:
        if len(branches) > 1:
            raise ExtensionUnclear(f"Whose migration? --extension one of: {names}")
        return branches[0] if branches else None
    for branch in branches:
        if branch.name == extension:
            return branch
    if extension == OWN:
        return None
    raise ExtensionUnknown(
        f"No extension {extension!r} is in use; there are: {names or 'none'}. "
        "Name the application by --app or in foretell.toml."
    )


def _run(
    app: str | None, work: Callable[["Database", "Branches"], Awaitable[Any]]
) -> Any:
    from foretell.core.db import Database
    from foretell.extension.discovery import found
    from foretell.settings import load_settings

    if app is not None:
        os.environ[f"{PREFIX}APP"] = app

    async def run() -> Any:
        settings = load_settings()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        branches = found(settings).branches()
        database = Database(settings.database_address, pool_size=1)
        try:
            return await work(database, branches)
        finally:
            await database.close()

    return asyncio.run(run())
