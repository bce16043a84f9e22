"""`foretell version`, `config show`, `doctor`, `openapi`."""

import sys
from typing import Annotated

import typer

from foretell.cli.output import AsJson, print_json, show_list, show_one

config = typer.Typer(help="Settings in force.", no_args_is_help=True)


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    found = installed("foretell")
    if as_json:
        print_json({"version": found})
    else:
        print(f"foretell {found}")


@config.callback()
def _group() -> None:
    """Settings in force."""


@config.command("show")
def show_config(as_json: AsJson = False) -> None:
    """Print every setting as it counts, secrets masked."""
    from foretell.settings import load_settings

    show_one(load_settings().masked(), as_json=as_json)


def doctor(as_json: AsJson = False) -> None:
    """See whether a server would work here; exit 1 when something would not."""
    import asyncio

    from foretell.cli.diagnosis import examine

    findings = asyncio.run(examine())
    columns = ("part", "ok", "what")
    show_list([f._asdict() for f in findings], columns, as_json=as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def openapi(
    local: Annotated[
        bool, typer.Option(help="Of this installation, without a server.")
    ] = False,
) -> None:
    """Print the OpenAPI document of the server, with the models you may see."""
    if local:
        from foretell.app import create_app
        from foretell.extension.discovery import found
        from foretell.http.openapi import static_document
        from foretell.settings import load_settings

        app = create_app(extensions=found(load_settings()))
        print_json(static_document(app))
        return
    from foretell.cli.connecting import connected

    with connected() as client:
        print_json(client.openapi())
    sys.stdout.flush()
