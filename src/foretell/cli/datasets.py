"""`foretell dataset …`: import, look at and download tables."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from foretell.cli.connecting import connected
from foretell.cli.output import (
    AsJson,
    Limit,
    collect,
    print_json,
    print_table,
    show_list,
    show_one,
    shown_cell,
)
from foretell.cli.progress import shown

commands = typer.Typer(help="Named tables of immutable versions.", no_args_is_help=True)

FileFormat = Literal["csv", "xlsx", "ndjson", "parquet", "arrow"]
Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
Version = Annotated[int | None, typer.Option(help="Version; the current one without.")]
Where = Annotated[str | None, typer.Option(help="Condition, as in year > 2007.")]
Sort = Annotated[str | None, typer.Option(help="Columns, - for falling.")]
Select = Annotated[str | None, typer.Option(help="Columns, with commas between.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
_LISTED = ("name", "version", "rows", "rejects", "bytes", "created_at")


@commands.command("add")
def add(
    file: File,
    name: Annotated[
        str | None, typer.Option(help="Name; made of the file's name without.")
    ] = None,
    mode: Annotated[
        Literal["new", "replace", "append"],
        typer.Option(help="new dataset, or next version of an existing one."),
    ] = "new",
    delimiter: Annotated[str | None, typer.Option(help="Between cells.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the text.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook.")] = None,
    options: Annotated[
        str, typer.Option(help="Further import options as JSON.")
    ] = "{}",
    dry_run: Annotated[
        bool, typer.Option(help="Read the first rows and store nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import a file as a dataset, and show what came of it."""
    given = _options(options, delimiter=delimiter, encoding=encoding, sheet=sheet)
    with connected() as client, shown(f"import {file.name}") as on_event:
        if dry_run:
            print_json(client.try_import(file, options=given))
            return
        chosen = name or _slug(file)
        if mode == "new":
            found = client.add_dataset(chosen, file, options=given, on_event=on_event)
        else:
            found = client.add_version(
                chosen, file, mode=mode, options=given, on_event=on_event
            )
    show_one(_described(found, as_json), as_json=as_json)
    if found["rejects"] and not as_json:
        print(f"\nThe rows kept aside: foretell dataset rejects {found['name']}")


@commands.command("list")
def list_all(limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the datasets you may see."""
    with connected() as client:
        items = collect(lambda n, cursor: client.list_datasets(n, cursor), limit)
        show_list(items, _LISTED, as_json=as_json)


@commands.command("show")
def show(name: Name, as_json: AsJson = False) -> None:
    """Describe a dataset: columns, source, rows."""
    with connected() as client:
        found = client.get_dataset(name)
    show_one(_described(found, as_json), as_json=as_json)


@commands.command("versions")
def versions(name: Name, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the versions of a dataset, newest first."""
    with connected() as client:
        items = collect(
            lambda n, cursor: client.list_dataset_versions(name, n, cursor), limit
        )
        show_list(items, _LISTED[1:], as_json=as_json)


@commands.command("rows")
def rows(
    name: Name,
    where: Where = None,
    select: Select = None,
    sort: Sort = None,
    version: Version = None,
    limit: Limit = 20,
    after_row: Annotated[
        int | None, typer.Option(help="Start behind this row, unsorted.")
    ] = None,
    seek: Annotated[
        float | None, typer.Option(help="Start at this share of the rows, 0 to 1.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print rows."""
    with connected() as client:

        def page(size: int, cursor: str | None) -> Mapping[str, Any]:
            if cursor is not None:
                return client.read_rows(name, limit=size, cursor=cursor)
            return client.read_rows(
                name,
                version=version,
                select=select,
                where=where,
                sort=sort,
                limit=size,
                after_row=after_row,
                seek=seek,
            )

        found = list(collect(page, limit))
    show_list(found, list(found[0]) if found else (), as_json=as_json)


@commands.command("count")
def count(
    name: Name, where: Where = None, version: Version = None, as_json: AsJson = False
) -> None:
    """Count rows."""
    with connected() as client:
        found = client.count_rows(name, where, version)
    if as_json:
        print_json(found)
    else:
        print(found["count"] if found["exact"] else f"at least {found['count']}")


@commands.command("aggregate")
def aggregate(
    name: Name,
    by: Annotated[str | None, typer.Option(help="Columns or expressions.")] = None,
    measures: Annotated[str, typer.Option(help="Such as count,mean(price).")] = "count",
    where: Where = None,
    sort: Sort = None,
    version: Version = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Print figures of groups of rows."""
    with connected() as client:
        found = client.aggregate_rows(
            name,
            by=by,
            measures=measures,
            where=where,
            sort=sort,
            version=version,
            limit=limit,
        )["items"]
    show_list(found, list(found[0]) if found else (), as_json=as_json)


@commands.command("query")
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; - reads it from stdin.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 1000,
    timeout: Annotated[float, typer.Option(help="Seconds until it is stopped.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Run SQL over the datasets you may see; each is a table of its name."""
    text = sys.stdin.read() if sql == "-" else sql
    with connected() as client:
        found = client.query(text, limit=limit, timeout_s=timeout)
    if as_json:
        print_json(found)
        return
    names = [column["name"] for column in found["columns"]]
    print_table(names, [[shown_cell(cell) for cell in row] for row in found["rows"]])
    if found["truncated"]:
        print(f"only the first {len(found['rows'])} rows", file=sys.stderr)


@commands.command("diff")
def diff(
    name: Name,
    old: Annotated[
        int | None, typer.Option("--from", help="Version; the one before without.")
    ] = None,
    new: Annotated[
        int | None, typer.Option("--to", help="Version; the current one without.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Columns that say which rows are the same.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what changed between two versions."""
    with connected() as client:
        found = client.diff_versions(name, old, new, key=key)
    if as_json:
        print_json(found)
        return
    counts = {f"rows {kind}": number for kind, number in found["rows"].items()}
    columns = {
        f"columns {kind}": [column["name"] for column in listed]
        for kind, listed in found["columns"].items()
    }
    show_one({**counts, **columns}, as_json=False)


@commands.command("use")
def use(
    name: Name, version: Annotated[int, typer.Argument(help="Version to serve.")]
) -> None:
    """Serve an older version by default, until the next one."""
    with connected() as client:
        client.set_current_version(name, version)
    print(f"{name} serves version {version}")


@commands.command("rejects")
def rejects(
    name: Name,
    version: Version = None,
    limit: Limit = 100,
    output: Annotated[
        Path | None, typer.Option(help="Save all as CSV here.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the source rows that could not become rows, with their lines."""
    with connected() as client:
        if output is not None:
            print(client.download_rejects(name, output, version=version))
            return
        items = collect(
            lambda n, cursor: client.list_rejects(name, version, n, cursor), limit
        )
        show_list(items, ("line", "column", "code", "reason", "raw"), as_json=as_json)


@commands.command("profile")
def profile(
    name: Name, where: Where = None, version: Version = None, as_json: AsJson = False
) -> None:
    """Print figures of each column."""
    with connected() as client:
        found = client.read_profile(name, version, where)
    columns = ("name", "type", "nulls", "distinct", "min", "max", "mean", "std")
    if as_json:
        print_json(found)
    else:
        show_list(found["columns"], columns, as_json=False)


@commands.command("download")
def download(
    name: Name,
    file: Annotated[Path, typer.Argument(help="File to write.", dir_okay=False)],
    format: Annotated[
        FileFormat | None,
        typer.Option(help="Taken from the file's name without."),
    ] = None,
    version: Version = None,
    select: Select = None,
    where: Where = None,
) -> None:
    """Save a dataset, or a part of it, as a file."""
    chosen = format or _format_of(file)
    with connected() as client:
        client.download_dataset(
            name, file, format=chosen, version=version, select=select, where=where
        )
    print(file)


@commands.command("delete")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a dataset with all its versions."""
    if not yes:
        typer.confirm(f"Delete {name} with all its versions?", abort=True)
    with connected() as client:
        client.delete_dataset(name)
    print(f"deleted {name}")


def _options(text: str, **named: str | None) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--options is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise typer.BadParameter("--options is a JSON object")
    return given | {k: v for k, v in named.items() if v is not None}


def _slug(file: Path) -> str:
    from foretell.core.ids import slug_of

    return slug_of(file.name)


def _format_of(file: Path) -> FileFormat:
    endings: dict[str, FileFormat] = {
        ".csv": "csv",
        ".xlsx": "xlsx",
        ".ndjson": "ndjson",
        ".jsonl": "ndjson",
        ".parquet": "parquet",
        ".arrow": "arrow",
    }
    if file.suffix not in endings:
        raise typer.BadParameter(f"name a file that ends in {', '.join(endings)}")
    return endings[file.suffix]


def _described(found: Mapping[str, Any], as_json: bool) -> Mapping[str, Any]:
    return found if as_json else dict(_lines(found))


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("name", "version", "rows", "rejects", "bytes"):
        yield name, found[name]
    columns = [f"{c['name']}:{c['type']}" for c in found["columns"]]
    yield "columns", ", ".join(columns)
    source = found["source"]
    shown_members = ("filename", "format", "sheet", "encoding", "delimiter", "sha256")
    yield "source", {k: source[k] for k in shown_members if source.get(k)}
    yield "created", f"{found['created_at']} by {found['created_by']}"
