"""Append: a new manifest that shares the files of the version before."""

from collections.abc import Mapping
from typing import Any

from foretell.core.columns import ColumnType
from foretell.datasets.contents import VersionContents
from foretell.datasets.errors import AppendMismatch
from foretell.datasets.tables import DatasetVersion
from foretell.errors import FieldError

_SCALARS = (
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.DECIMAL,
    ColumnType.FLOAT,
    ColumnType.DATE,
    ColumnType.TIME,
    ColumnType.TIMESTAMP,
)
_WIDER: Mapping[ColumnType, tuple[ColumnType, ...]] = {
    **dict.fromkeys(_SCALARS, (ColumnType.TEXT,)),
    ColumnType.INTEGER: (ColumnType.FLOAT, ColumnType.DECIMAL, ColumnType.TEXT),
    ColumnType.DATE: (ColumnType.TIMESTAMP, ColumnType.TEXT),
}


def appended(base: DatasetVersion | None, more: VersionContents) -> VersionContents:
    """The contents of `base` followed by `more`.

    Raises:
        AppendMismatch: The columns differ in name, order or type; each is named.
    """
    if base is None:
        return more
    errors = _differences(base.columns, more.columns)
    if errors:
        raise AppendMismatch(
            "The columns of the appended rows do not fit the dataset; give `types` in "
            "the options, or use mode=replace.",
            errors=errors,
        )
    columns = [
        {**old, "nullable": old["nullable"] or new["nullable"]}
        for old, new in zip(base.columns, more.columns, strict=True)
    ]
    return VersionContents(
        columns=columns,
        rows=base.rows + more.rows,
        rejects=more.rejects,
        bytes=base.bytes + more.bytes,
        parts=[*base.parts, *more.parts],
        rejects_key=more.rejects_key,
        source=more.source,
        lineage={**more.lineage, "appended_to": base.number},
    )


def wider_types(
    base: list[dict[str, Any]], more: list[dict[str, Any]]
) -> dict[str, ColumnType]:
    """Return the types of the dataset that hold the cells of narrower columns.

    A file whose prices happen to be whole numbers belongs into a column of floats.
    """
    types = {str(column["name"]): ColumnType(column["type"]) for column in base}
    return {
        name: types[name]
        for name, type_ in ((str(c["name"]), ColumnType(c["type"])) for c in more)
        if name in types and types[name] in _WIDER.get(type_, ())
    }


def _differences(
    base: list[dict[str, object]], more: list[dict[str, object]]
) -> list[FieldError]:
    errors = []
    names = [str(column["name"]) for column in more]
    for position, column in enumerate(base):
        name = str(column["name"])
        if name not in names:
            errors.append(FieldError(f"/columns/{name}", "is missing", "missing"))
        elif more[min(position, len(more) - 1)]["name"] != name:
            errors.append(FieldError(f"/columns/{name}", "stands elsewhere", "order"))
        elif more[position]["type"] != column["type"]:
            message = f"is {more[position]['type']}, the dataset has {column['type']}"
            errors.append(FieldError(f"/columns/{name}", message, "type"))
        elif (what := _unlike(column, more[position])) is not None:
            errors.append(FieldError(f"/columns/{name}", what, "type"))
    known = {str(column["name"]) for column in base}
    errors += [
        FieldError(f"/columns/{name}", "is not in the dataset", "extra")
        for name in names
        if name not in known
    ]
    return errors


def _unlike(base: dict[str, object], more: dict[str, object]) -> str | None:
    """What sets apart two columns of one type, as far as their manifests say."""
    for key, what in (
        ("scale", "has another number of digits behind the point"),
        ("zoned", "has timestamps of the other kind, with a zone or without"),
    ):
        if key in base and key in more and base[key] != more[key]:
            return what
    return None
