"""Datasets: import files and frames, read rows, download."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from foretell.client import frames
from foretell.client.calls import Call, Content, as_json, get, nothing, path, post
from foretell.client.jobs import OnEvent, succeeded
from foretell.client.operations import Procedure, Save, call, several
from foretell.client.shapes import (
    Count,
    Dataset,
    DryRun,
    Groups,
    Job,
    Page,
    QueryAnswer,
    Reject,
)

Options = Mapping[str, Any]
Source = frames.Source


@call
def list_datasets(limit: int = 100, cursor: str | None = None) -> Call[Page[Dataset]]:
    """One page of the datasets that the caller may see, by name."""
    return get(path("datasets"), as_json(Page[Dataset]), limit=limit, cursor=cursor)


@call
def get_dataset(name: str) -> Call[Dataset]:
    """A dataset as its current version shows it."""
    return get(path("datasets", name), as_json(Dataset))


@call
def list_dataset_versions(
    name: str, limit: int = 100, cursor: str | None = None
) -> Call[Page[Dataset]]:
    """One page of the versions of a dataset, newest first."""
    where = path("datasets", name, "versions")
    return get(where, as_json(Page[Dataset]), limit=limit, cursor=cursor)


@call
def change_dataset(name: str, **changes: Any) -> Call[Dataset]:
    """Change the description or who may see a dataset."""
    return Call("PATCH", path("datasets", name), as_json(Dataset), json=changes)


@call
def delete_dataset(name: str) -> Call[None]:
    """Delete a dataset with all its versions."""
    return Call("DELETE", path("datasets", name), nothing)


@call
def set_current_version(name: str, version: int) -> Call[dict[str, Any]]:
    """Serve another version by default, until the next one is published."""
    body = {"version": version}
    where = path("datasets", name, "current")
    return Call("PUT", where, as_json(dict[str, Any]), json=body)


@call
def start_import(
    name: str,
    source: Source,
    *,
    options: Options | None = None,
    filename: str | None = None,
) -> Call[Job]:
    """Send a table as a new dataset; gives the job that imports it.

    Args:
        source: A file, its bytes, or a frame of pandas, polars or Arrow.
        options: Import options: delimiter, encoding, types, …
        filename: What the dataset calls its source; else the file's own name.
    """
    return _upload(path("datasets"), source, options, filename, {"name": name})


@call
def start_version(
    name: str,
    source: Source,
    *,
    mode: Literal["replace", "append"] = "replace",
    options: Options | None = None,
    filename: str | None = None,
) -> Call[Job]:
    """Send a table as the next version of a dataset; gives the import job."""
    where = path("datasets", name, "versions")
    return _upload(where, source, options, filename, {"mode": mode})


@call
def try_import(
    source: Source, *, options: Options | None = None, filename: str | None = None
) -> Call[DryRun]:
    """See what the first 1,000 rows would become; nothing is stored."""
    content, fields = _parts(source, options, filename, {})
    return Call(
        "POST",
        path("datasets"),
        as_json(DryRun),
        {"dry_run": True},
        form=fields,
        files={"file": content},
    )


@several
def add_dataset(
    name: str,
    source: Source,
    *,
    options: Options | None = None,
    filename: str | None = None,
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
) -> Procedure[Dataset]:
    """Import a table as a new dataset, wait, and give the dataset."""
    job = yield from start_import.steps(
        name, source, options=options, filename=filename
    )
    yield from succeeded(job, on_event, timeout_seconds)
    return (yield from get_dataset.steps(name))


@several
def add_version(
    name: str,
    source: Source,
    *,
    mode: Literal["replace", "append"] = "replace",
    options: Options | None = None,
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
) -> Procedure[Dataset]:
    """Import a table as the next version, wait, and give the dataset."""
    job = yield from start_version.steps(name, source, mode=mode, options=options)
    yield from succeeded(job, on_event, timeout_seconds)
    return (yield from get_dataset.steps(name))


@call
def read_rows(
    name: str,
    *,
    version: int | None = None,
    select: Sequence[str] | str | None = None,
    where: str | None = None,
    sort: Sequence[str] | str | None = None,
    limit: int = 100,
    cursor: str | None = None,
    after_row: int | None = None,
    seek: float | None = None,
    max_cell: int | None = None,
) -> Call[Page[dict[str, Any]]]:
    """One page of rows; `where` is an expression, `sort` columns with `-` for down.

    Args:
        after_row: Start behind this row of an unsorted, unfiltered version.
        seek: Start where this share (0 to 1) of the rows stands before the page.
        max_cell: Cut texts longer than so many characters.
    """
    return get(
        path("datasets", name, "rows"),
        as_json(Page[dict[str, Any]]),
        version=version,
        select=select,
        where=where,
        sort=sort,
        limit=limit,
        cursor=cursor,
        after_row=after_row,
        seek=seek,
        max_cell=max_cell,
    )


@call
def count_rows(
    name: str, where: str | None = None, version: int | None = None
) -> Call[Count]:
    """How many rows a condition holds for."""
    where_ = path("datasets", name, "count")
    return get(where_, as_json(Count), where=where, version=version)


@call
def aggregate_rows(
    name: str,
    *,
    by: Sequence[str] | str | None = None,
    measures: Sequence[str] | str = "count",
    version: int | None = None,
    where: str | None = None,
    sort: Sequence[str] | str | None = None,
    limit: int = 100,
) -> Call[Groups]:
    """Figures of groups of rows.

    Args:
        by: Columns or expressions: `year(joined)`. None makes one group.
        measures: `count`, `mean(price)`, `quantile(price, 0.9)`, …
        sort: Members of the answer, `-` for down.
    """
    return get(
        path("datasets", name, "aggregate"),
        as_json(Groups),
        by=by,
        measures=measures,
        version=version,
        where=where,
        sort=sort,
        limit=limit,
    )


@call
def diff_versions(
    name: str,
    old: int | None = None,
    new: int | None = None,
    *,
    key: Sequence[str] | str | None = None,
    limit: int = 100,
) -> Call[dict[str, Any]]:
    """What changed between two versions; by default in the current one.

    Args:
        key: Columns that say which rows are the same.
        limit: Most rows to show of each kind of change.
    """
    params = {"from": old, "to": new, "key": key, "limit": limit}
    where = path("datasets", name, "diff")
    return get(where, as_json(dict[str, Any]), **params)


@call
def query(
    sql: str, *, limit: int | None = None, timeout_s: float | None = None
) -> Call[QueryAnswer]:
    """The rows of one SELECT over the datasets you may see; each is a table."""
    sent = {"sql": sql, "limit": limit, "timeout_s": timeout_s}
    body = {name: value for name, value in sent.items() if value is not None}
    return Call("POST", path("query"), as_json(QueryAnswer), json=body, is_safe=True)


@call
def read_profile(
    name: str, version: int | None = None, where: str | None = None
) -> Call[dict[str, Any]]:
    """Figures of each column."""
    address = path("datasets", name, "profile")
    return get(address, as_json(dict[str, Any]), version=version, where=where)


@call
def list_rejects(
    name: str, version: int | None = None, limit: int = 100, cursor: str | None = None
) -> Call[Page[Reject]]:
    """One page of the source rows that were kept aside."""
    address = path("datasets", name, "rejects")
    kind = as_json(Page[Reject])
    return get(address, kind, version=version, limit=limit, cursor=cursor)


@several
def download_rejects(
    name: str, file: Path, *, version: int | None = None
) -> Procedure[Path]:
    """Save the source rows that were kept aside as CSV."""
    address = path("datasets", name, "rejects", "download")
    yield Save(get(address, nothing, version=version), file)
    return file


@several
def download_dataset(
    name: str,
    file: Path,
    *,
    format: Literal["csv", "xlsx", "ndjson", "parquet", "arrow"] = "csv",
    version: int | None = None,
    select: Sequence[str] | str | None = None,
    where: str | None = None,
) -> Procedure[Path]:
    """Save a dataset, or a part of it, as a file."""
    address = path("datasets", name, "download")
    parts = {"version": version, "select": select, "where": where}
    yield Save(get(address, nothing, format=format, **parts), file)
    return file


@call
def read_arrow(
    name: str,
    *,
    version: int | None = None,
    select: Sequence[str] | str | None = None,
    where: str | None = None,
) -> Call[Any]:
    """A whole dataset, or a part of it, as an Arrow table; needs pyarrow."""
    return get(
        path("datasets", name, "download"),
        lambda response: frames.arrow_of_stream(response.content),
        format="arrow",
        version=version,
        select=select,
        where=where,
    )


def _upload(
    address: str,
    source: Source,
    options: Options | None,
    filename: str | None,
    fields: dict[str, str],
) -> Call[Job]:
    content, form = _parts(source, options, filename, fields)
    return post(address, as_json(Job), form=form, files={"file": content})


def _parts(
    source: Source,
    options: Options | None,
    filename: str | None,
    fields: dict[str, str],
) -> tuple[Content, dict[str, str]]:
    content, found = frames.content_of(source, filename or fields.get("name"))
    merged = {**found, **(options or {})}
    if merged:
        fields = {**fields, "options": json.dumps(merged)}
    return content, fields
