"""Where rows are found over HTTP."""

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from foretell.resources.columns import Kind
from foretell.resources.description import ResourceDescription
from foretell.resources.schemas import MAX_BULK
from foretell.resources.writing import CREATED


def row_location(description: ResourceDescription, row: Mapping[str, Any]) -> str:
    """The path of one row."""
    key = urllib.parse.quote(str(row[description.key.name]), safe="")
    return f"{description.address}/{key}"


def bulk_location(
    description: ResourceDescription, rows: Sequence[Mapping[str, Any]]
) -> str:
    """The list of the rows that one bulk made: of one moment, and of adjacent keys."""
    moment = rows[0][CREATED].strftime("%Y-%m-%d %H:%M:%S.%f")
    where = f"{CREATED} = TIMESTAMP '{moment}'"
    keys = [row[description.key.name] for row in rows]
    name = _quoted(description.key.name)
    if description.key.kind is Kind.INTEGER:
        where += f" AND {name} BETWEEN {min(keys)} AND {max(keys)}"
    elif max(map(len, map(str, keys))) <= 36:
        low, high = (str(end).replace("'", "''") for end in (min(keys), max(keys)))
        where += f" AND {name} BETWEEN '{low}' AND '{high}'"
    query = urllib.parse.urlencode({"where": where, "limit": MAX_BULK})
    return f"{description.address}?{query}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
