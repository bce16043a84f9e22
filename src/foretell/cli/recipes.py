"""`foretell recipe …`: clean, shape and check tables by a file of steps."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from foretell.cli.connecting import connected
from foretell.cli.output import AsJson, Limit, collect, print_json, show_list, show_one
from foretell.cli.progress import shown

commands = typer.Typer(
    help="Steps and checks that make dataset versions.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="Name of the recipe.")]
File = Annotated[
    Path,
    typer.Argument(
        exists=True, dir_okay=False, readable=True, help="JSON, or TOML by its suffix."
    ),
]
_STEPS = ("step", "rows_in", "rows_out", "changed", "rejected")


@commands.command("apply")
def apply(
    file: File,
    name: Annotated[
        str | None, typer.Option(help="Name; the file's name without.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Run it on this dataset, too.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Dataset to make; the same one without.")
    ] = None,
    automatic: Annotated[
        bool, typer.Option(help="Run again on every new version of the dataset.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Run on the first rows and make no version.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store a file's steps and checks as a recipe; run it where a dataset is named."""
    written = _read(file)
    chosen = name or file.stem.lower().replace(" ", "-")
    with connected() as client, shown(f"recipe {chosen}") as on_event:
        made = client.put_recipe(chosen, **written)
        if dataset is None:
            show_one(_described(made, as_json), as_json=as_json)
            return
        if dry_run:
            found = client.preview_run(dataset, chosen)
            _show_preview(found, as_json)
            return
        run = client.run_recipe(
            dataset, chosen, output=output, automatic=automatic, on_event=on_event
        )
    _show_run(run, as_json)


def _read(file: Path) -> dict[str, Any]:
    """Steps, checks and description of a file."""
    text = file.read_text("utf-8")
    try:
        is_toml = file.suffix == ".toml"
        found = tomllib.loads(text) if is_toml else json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}") from None
    known = {"steps", "checks", "description"}
    if not isinstance(found, dict) or not found.keys() <= known:
        raise typer.BadParameter(f"{file}: holds steps, checks and description only")
    return found


def _described(recipe: Any, as_json: bool) -> dict[str, Any]:
    if as_json:
        return dict(recipe)
    steps = ", ".join(str(step["step"]) for step in recipe["steps"])
    checks = ", ".join(str(check["check"]) for check in recipe["checks"])
    return {
        "name": recipe["name"],
        "version": recipe["version"],
        "steps": steps or "none",
        "checks": checks or "none",
        "created_at": recipe["created_at"],
    }


def _show_preview(found: Any, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    show_list(found["steps"], _STEPS, as_json=False)
    print(f"\n{found['rows_out']} rows, {found['rejected']} aside; nothing was stored.")


def _show_run(dataset: Any, as_json: bool) -> None:
    if as_json:
        show_one(dataset, as_json=True)
        return
    show_list(dataset["lineage"]["report"]["steps"], _STEPS, as_json=False)
    made = f"{dataset['name']} version {dataset['version']}"
    print(f"\n{made}: {dataset['rows']} rows, {dataset['rejects']} aside")


@commands.command("list")
def list_all(limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the recipes you may see."""
    with connected() as client:
        items = list(collect(client.list_recipes, limit))
    if not as_json:
        items = [_described(item, as_json) for item in items]
    columns = ("name", "version", "steps", "checks", "created_at")
    show_list(items, columns, as_json=as_json)


@commands.command("show")
def show(
    name: Name,
    version: Annotated[
        int | None, typer.Option(help="Version; the latest without.")
    ] = None,
) -> None:
    """Print a recipe as a file that `recipe apply` takes."""
    with connected() as client:
        found = client.get_recipe(name, version)
    print_json({key: found[key] for key in ("description", "steps", "checks")})


@commands.command("delete")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a recipe with all its versions; what it made stays."""
    if not yes:
        typer.confirm(f"Delete {name} with all its versions?", abort=True)
    with connected() as client:
        client.delete_recipe(name)
