"""`foretell connection …`: outside databases, and datasets in and out by them."""

import sys
from typing import Annotated, Any, Literal

import typer

from foretell.cli.connecting import connected
from foretell.cli.output import AsJson, Limit, collect, show_list, show_one
from foretell.cli.progress import shown

commands = typer.Typer(help="Outside databases.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the connection.")]
Dataset = Annotated[str, typer.Argument(help="Name of the dataset.")]
Table = Annotated[str | None, typer.Option(help="A table or view.")]
Collection = Annotated[str | None, typer.Option(help="A MongoDB collection.")]
_LISTED = ("name", "kind", "host", "port", "database", "username", "path")


@commands.command("list")
def list_all(limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the connections you may see."""
    with connected() as client:
        items = collect(lambda n, cursor: client.list_connections(n, cursor), limit)
        show_list(items, _LISTED, as_json=as_json)


@commands.command("show")
def show(name: Name, as_json: AsJson = False) -> None:
    """Describe a connection; its secret stays on the server."""
    with connected() as client:
        show_one(client.get_connection(name), as_json=as_json)


@commands.command("put")
def put(
    name: Name,
    kind: Annotated[
        str, typer.Argument(help="postgresql, mysql, sqlite, mongodb or redis.")
    ],
    host: Annotated[str | None, typer.Option(help="Name or address.")] = None,
    port: Annotated[int | None, typer.Option(help="The usual one without.")] = None,
    database: Annotated[str | None, typer.Option(help="Its database.")] = None,
    username: Annotated[str | None, typer.Option(help="Who signs in there.")] = None,
    ask_password: Annotated[
        bool,
        typer.Option(
            "--password", help="Ask for the password, or take one line of stdin."
        ),
    ] = False,
    tls: Annotated[
        bool, typer.Option("--tls", help="Encrypt, and check the certificate.")
    ] = False,
    path: Annotated[str | None, typer.Option(help="Of a SQLite file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a connection, or replace what it says."""
    fields: dict[str, Any] = {"host": host, "port": port, "database": database}
    fields |= {"username": username, "path": path, "tls": tls or None}
    if ask_password:
        fields["password"] = _password()
    said = {key: value for key, value in fields.items() if value is not None}
    with connected() as client:
        show_one(client.put_connection(name, kind=kind, **said), as_json=as_json)


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")


@commands.command("test")
def try_out(name: Name, as_json: AsJson = False) -> None:
    """Connect and sign in there; 1 when that fails."""
    with connected() as client:
        found = client.test_connection(name)
    show_one(found, as_json=as_json)
    if not found["ok"]:
        raise typer.Exit(1)


@commands.command("tables")
def tables(name: Name, as_json: AsJson = False) -> None:
    """List the tables or collections that can be read."""
    with connected() as client:
        show_list(client.list_tables(name)["items"], ("name",), as_json=as_json)


@commands.command("import")
def import_source(
    name: Name,
    dataset: Dataset,
    table: Table = None,
    query: Annotated[str | None, typer.Option(help="One read-only SELECT.")] = None,
    collection: Collection = None,
    incremental: Annotated[
        str | None, typer.Option(help="Column that only grows, for --mode append.")
    ] = None,
    mode: Annotated[
        Literal["new", "replace", "append"],
        typer.Option(help="new dataset, or next version of an existing one."),
    ] = "new",
    as_json: AsJson = False,
) -> None:
    """Read a table, query or collection into a dataset."""
    given = {"table": table, "query": query, "collection": collection}
    given["incremental"] = incremental
    source: dict[str, Any] = {
        key: value for key, value in given.items() if value is not None
    }
    with connected() as client, shown(f"import {name}") as on_event:
        found = client.import_source(
            dataset, name, mode=mode, on_event=on_event, **source
        )
    show_one(found, as_json=as_json)


@commands.command("export")
def export(
    name: Name,
    dataset: Dataset,
    table: Table = None,
    collection: Collection = None,
    key: Annotated[str | None, typer.Option(help="A Redis key.")] = None,
    key_column: Annotated[
        str | None, typer.Option(help="Whose cells name the fields of the key.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Version; the current one without.")
    ] = None,
    mode: Annotated[
        Literal["replace", "append"], typer.Option(help="What is there goes or stays.")
    ] = "replace",
    as_json: AsJson = False,
) -> None:
    """Write a dataset to a table, collection or key."""
    given = {"table": table, "collection": collection, "key": key}
    sink: dict[str, Any] = {**given, "key_column": key_column, "version": version}
    said = {part: value for part, value in sink.items() if value is not None}
    with connected() as client, shown(f"export {dataset}") as on_event:
        done = client.export_dataset(
            dataset, name, mode=mode, on_event=on_event, **said
        )
    show_one(done, as_json=as_json)


@commands.command("delete")
def delete(name: Name) -> None:
    """Forget a connection and its secret; datasets stay."""
    with connected() as client:
        client.delete_connection(name)


@commands.command("reseal")
def reseal(as_json: AsJson = False) -> None:
    """Seal all secrets with the current SECRET_KEY, after it has changed (admins)."""
    with connected() as client:
        job = client.submit_job("connections.reseal", {})
        done = client.wait_for_job(job["id"])
    show_one(done["result"], as_json=as_json)
