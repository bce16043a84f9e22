"""`foretell db …`: the schema of Foretell's own database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foretell.errors import Conflict

if TYPE_CHECKING:
    from foretell.core.db import Database

commands = typer.Typer(help="Foretell's own database.", no_args_is_help=True)


class SchemaDiffers(Conflict):
    """The tables of the database are not those of this version."""

    slug = "schema-differs"

    def __init__(self, differences: list[str]) -> None:
        super().__init__(
            "The database differs from the tables of this version:\n"
            + "\n".join(f"  {item}" for item in differences)
        )


@commands.command("upgrade")
def upgrade(
    revision: Annotated[str, typer.Argument(help="All heads without.")] = "heads",
) -> None:
    """Bring the schema up to this version."""
    from foretell.core import schema

    print(f"schema at {_run(lambda db: schema.upgrade(db, revision))}")


@commands.command("downgrade")
def downgrade(
    revision: Annotated[str, typer.Argument(help="As -1, a revision, or base.")],
) -> None:
    """Bring the schema back to an older revision."""
    from foretell.core import schema

    print(f"schema at {_run(lambda db: schema.downgrade(db, revision))}")


@commands.command("revision")
def revision(
    message: Annotated[str, typer.Option("--message", "-m", help="What it changes.")],
    path: Annotated[str | None, typer.Option(help="Folder to write it to.")] = None,
) -> None:
    """Write a new migration from what the tables have and the database has not."""
    from foretell.core import schema

    print(_run(lambda db: schema.make_revision(db, message, path)))


@commands.command("check")
def check() -> None:
    """Exit 1 unless the database has exactly the schema of this version."""
    from foretell.core import schema

    async def look(database: "Database") -> list[str]:
        await schema.ensure_current(database)
        return await schema.differences(database)

    if found := _run(look):
        raise SchemaDiffers(found)
    print("the schema is current")


def _run(work: Callable[["Database"], Awaitable[Any]]) -> Any:
    from foretell.core.db import Database
    from foretell.settings import load_settings

    async def run() -> Any:
        settings = load_settings()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        database = Database(settings.database_address, pool_size=1)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())
