"""`foretell signing-key …`: the keys that sign access tokens, without a server.

Running servers see a change by themselves: a new key within a minute, a removed one
within a second.
"""

import asyncio
from typing import Annotated, Any

import typer

from foretell.cli.output import AsJson, show_list, show_one

commands = typer.Typer(help="Keys that sign access tokens.")


@commands.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys: which one signs, and which ones still verify."""

    async def run() -> list[dict[str, Any]]:
        async with _server() as server:
            return [
                {"kid": key.kid, "created_at": key.created_at, "signs": key.signs}
                for key in await server.identity.keyring.list_all()
            ]

    show_list(asyncio.run(run()), ("kid", "created_at", "signs"), as_json=as_json)


@commands.command("rotate")
def rotate(as_json: AsJson = False) -> None:
    """Add a key, which signs in two minutes. Tokens of the old one stay good."""

    async def run() -> dict[str, Any]:
        async with _server() as server:
            return {"kid": await server.identity.rotate_signing_key(server.operator)}

    show_one(asyncio.run(run()), as_json=as_json)


@commands.command("remove")
def remove(kid: Annotated[str, typer.Argument(help="Which key.")]) -> None:
    """Remove a key: every token that it signed is refused within a second."""

    async def run() -> None:
        async with _server() as server:
            await server.identity.remove_signing_key(kid, server.operator)

    asyncio.run(run())
    print(f"removed {kid}")


def _server() -> Any:
    from foretell.cli.local import opened

    return opened()
