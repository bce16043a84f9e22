"""`foretell model …`: upload, look at, move aliases, predict."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from foretell.cli.connecting import connected
from foretell.cli.monitoring import draw
from foretell.cli.output import (
    AsJson,
    Limit,
    collect,
    print_json,
    show_list,
    show_one,
)
from foretell.cli.progress import shown

commands = typer.Typer(
    help="Named predictors of immutable versions.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of the model.")]
Version = Annotated[
    str | None, typer.Option(help="Number, alias or latest; champion without.")
]


@commands.command("add")
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    example: Annotated[
        Path | None, typer.Option(exists=True, help="Sample rows, CSV or JSON.")
    ] = None,
    metadata: Annotated[
        str, typer.Option(help="flavour, metrics, description, … as JSON.")
    ] = "{}",
    alias: Annotated[
        str | None, typer.Option(help="Point this alias at the new version.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a model file as the next version, and show its reports."""
    try:
        given = json.loads(metadata)
    except ValueError as error:
        raise typer.BadParameter(f"--metadata is not JSON: {error}") from error
    with connected() as client, shown(f"model {name}") as on_event:
        found = client.add_model(
            name, file, metadata=given, example=example, on_event=on_event
        )
        if alias:
            client.set_alias(name, alias, found["version"])
            found = client.get_model_version(name, found["version"])
    show_one(found if as_json else dict(_lines(found)), as_json=as_json)


@commands.command("list")
def list_all(limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the models you may see."""
    with connected() as client:
        items = collect(lambda n, cursor: client.list_models(n, cursor), limit)
        show_list(
            items, ("name", "latest", "description", "created_at"), as_json=as_json
        )


@commands.command("show")
def show(name: Name, version: Version = None, as_json: AsJson = False) -> None:
    """Describe a version: signature, safety and parity reports."""
    with connected() as client:
        found = client.get_model_version(name, version or "latest")
    show_one(found if as_json else dict(_lines(found)), as_json=as_json)


@commands.command("versions")
def versions(name: Name, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the versions of a model, newest first."""
    with connected() as client:
        items = collect(
            lambda n, cursor: client.list_model_versions(name, n, cursor), limit
        )
        columns = ("version", "flavour", "engine", "aliases", "created_at")
        show_list(items, columns, as_json=as_json)


@commands.command("alias")
def alias(
    name: Name,
    alias: Annotated[str, typer.Argument(help="champion, challenger, …")],
    version: Annotated[
        int | None, typer.Argument(help="Version it points at from now on.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it.")] = False,
) -> None:
    """Point an alias at a version; the next prediction sees it."""
    with connected() as client:
        if delete:
            client.delete_alias(name, alias)
            print(f"{name}: {alias} removed")
            return
        if version is None:
            raise typer.BadParameter("name a version, or --delete")
        client.set_alias(name, alias, version)
    print(f"{name}: {alias} is version {version}")


@commands.command("traffic")
def traffic(
    name: Name,
    weights: Annotated[
        list[str] | None,
        typer.Argument(help="VERSION=WEIGHT of each; none: the champion answers."),
    ] = None,
    shadow: Annotated[
        list[str] | None,
        typer.Option(help="A version that scores the same calls unseen."),
    ] = None,
) -> None:
    """Split the calls that name no version; the next prediction follows."""
    pairs = [text.rpartition("=") for text in weights or ()]
    for version, _, weight in pairs:
        if not version or not weight.isdigit():
            raise typer.BadParameter("write VERSION=WEIGHT, such as 3=90 4=10")
    split = {_version(version): int(weight) for version, _, weight in pairs}
    with connected() as client:
        client.set_traffic(name, split, [_version(one) for one in shadow or ()])
    shares = ", ".join(f"{version}: {weight}" for version, weight in split.items())
    print(f"{name}: {shares or 'the champion answers'}")


def _version(text: str) -> int | str:
    return int(text) if text.isdigit() else text


@commands.command("monitoring")
def monitoring(
    name: Name,
    version: Version = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First day; six before without.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last day; today (UTC) without.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a version did: calls, errors, latency, predictions, drift."""
    with connected() as client:
        found = client.get_monitoring(name, version=version, first=first, last=last)
    if as_json:
        print_json(found)
    else:
        draw(found)


@commands.command("predict")
def predict(
    name: Name,
    row: Annotated[
        str | None,
        typer.Argument(help="One row as JSON, or a list of rows; - reads stdin."),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model. Rows are JSON objects of input name to value."""
    text = sys.stdin.read() if row in (None, "-") else row
    try:
        given = json.loads(text or "")
    except ValueError as error:
        raise typer.BadParameter(f"the rows are not JSON: {error}") from error
    rows = given if isinstance(given, list) else [given]
    with connected() as client:
        answer = client.predict(name, rows, version=version)
    if as_json:
        print_json(answer)
        return
    for item in answer["predictions"]:
        shares = item.get("probabilities") or {}
        shown_shares = "  ".join(f"{k} {v:.4f}" for k, v in shares.items())
        print(f"{item['prediction']}  {shown_shares}".rstrip())


@commands.command("batch")
def batch(
    name: Name,
    dataset: Annotated[str, typer.Argument(help="Dataset to score.")],
    output: Annotated[str, typer.Argument(help="Dataset to make.")],
    version: Version = None,
    include_inputs: Annotated[
        bool, typer.Option(help="Keep the columns of the dataset.")
    ] = False,
    shard_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Rows of a shard; some seconds of work by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a dataset into another one."""
    with connected() as client, shown(f"batch {name}") as on_event:
        found = client.score_dataset(
            name,
            dataset,
            output,
            version=version,
            include_inputs=include_inputs,
            shard_rows=shard_rows,
            on_event=on_event,
        )
    show_list([found], ("name", "version", "rows", "rejects"), as_json=as_json)


@commands.command("delete")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a model with all its versions."""
    if not yes:
        typer.confirm(f"Delete {name} with all its versions?", abort=True)
    with connected() as client:
        client.delete_model(name)
    print(f"deleted {name}")


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("model", "version", "flavour", "engine", "aliases", "sha256"):
        yield name, found.get(name)
    signature = found["signature"]
    inputs = [f"{i['name']}:{i['type']}" for i in signature["inputs"]]
    yield "inputs", ", ".join(inputs)
    yield "outputs", ", ".join(str(o["name"]) for o in signature["outputs"])
    for name in ("metrics", "libraries", "safety", "parity"):
        yield name, found.get(name)
    yield "created", found["created_at"]
