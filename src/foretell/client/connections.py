"""Connections to outside databases, and datasets read and written by them."""

from typing import Any, Literal

from foretell.client.calls import Call, as_json, get, nothing, path, post
from foretell.client.datasets import get_dataset
from foretell.client.jobs import OnEvent, succeeded
from foretell.client.operations import Procedure, call, several
from foretell.client.shapes import Connection, ConnectionTest, Dataset, Job, Page

Mode = Literal["replace", "append"]


@call
def put_connection(name: str, **fields: Any) -> Call[Connection]:
    """Make a connection or replace what it says; fields are those of
    `PUT /api/connections/{name}`: `url`, or `kind`, `host`, `database`, …"""
    return Call("PUT", path("connections", name), as_json(Connection), json=fields)


@call
def get_connection(name: str) -> Call[Connection]:
    """One connection, without its secret."""
    return get(path("connections", name), as_json(Connection))


@call
def list_connections(
    limit: int = 100, cursor: str | None = None
) -> Call[Page[Connection]]:
    """One page of connections, by name."""
    where = path("connections")
    return get(where, as_json(Page[Connection]), limit=limit, cursor=cursor)


@call
def share_connection(name: str, **changes: Any) -> Call[Connection]:
    """Say who else may use a connection: `visibility`, `readers`, `writers`."""
    return Call("PATCH", path("connections", name), as_json(Connection), json=changes)


@call
def delete_connection(name: str) -> Call[None]:
    """Forget a connection and its secret."""
    return Call("DELETE", path("connections", name), nothing)


@call
def test_connection(name: str) -> Call[ConnectionTest]:
    """Whether the database answers and takes the credentials."""
    return post(path("connections", name, "test"), as_json(ConnectionTest))


@call
def list_tables(name: str) -> Call[Page[dict[str, str]]]:
    """Tables or collections of a connection."""
    return get(path("connections", name, "tables"), as_json(Page[dict[str, str]]))


@call
def start_source_import(name: str, connection: str, **source: Any) -> Call[Job]:
    """Start the import of a table, query or collection as a new dataset."""
    body = {"name": name, "source": {"connection": connection, **source}}
    return Call("POST", path("datasets"), as_json(Job), json=body)


@call
def start_source_version(
    name: str, connection: str, *, mode: Mode = "replace", **source: Any
) -> Call[Job]:
    """Start the import of one as the next version of a dataset."""
    body = {"source": {"connection": connection, **source}, "mode": mode}
    return Call("POST", path("datasets", name, "versions"), as_json(Job), json=body)


@call
def start_export(
    name: str, connection: str, *, mode: Mode = "replace", **sink: Any
) -> Call[Job]:
    """Start the writing of a dataset to a `table`, `collection` or `key`."""
    body = {"connection": connection, "mode": mode, **sink}
    return Call("POST", path("datasets", name, "export"), as_json(Job), json=body)


@several
def import_source(
    name: str,
    connection: str,
    *,
    mode: Literal["new", "replace", "append"] = "new",
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
    **source: Any,
) -> Procedure[Dataset]:
    """Import a `table`, `query` or `collection`, wait, and give the dataset."""
    if mode == "new":
        job = yield from start_source_import.steps(name, connection, **source)
    else:
        job = yield from start_source_version.steps(
            name, connection, mode=mode, **source
        )
    yield from succeeded(job, on_event, timeout_seconds)
    return (yield from get_dataset.steps(name))


@several
def export_dataset(
    name: str,
    connection: str,
    *,
    mode: Mode = "replace",
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
    **sink: Any,
) -> Procedure[dict[str, Any]]:
    """Write a dataset to a `table`, `collection` or `key`, wait, and say what was
    written: `{dataset, version, connection, table, rows}`."""
    job = yield from start_export.steps(name, connection, mode=mode, **sink)
    return (yield from succeeded(job, on_event, timeout_seconds))
