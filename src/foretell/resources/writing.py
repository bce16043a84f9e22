"""What a row is made of beside what its maker sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from foretell.core.ids import new_id
from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.description import ResourceDescription
from foretell.resources.model import OWNER

CREATED, UPDATED, VERSION = "created_at", "updated_at", "version"


def values_of(
    description: ResourceDescription, body: BaseModel, *, is_new: bool
) -> dict[str, Any]:
    """The values of a body that are columns, by name."""
    by_model = is_new and description.creates_by_model
    sent = given(body, with_defaults=by_model)
    return {name: value for name, value in sent.items() if name in description.by_name}


def given(body: BaseModel, *, with_defaults: bool = False) -> dict[str, Any]:
    """The values that a body holds, by column name.

    Args:
        with_defaults: Take what the schema itself fills in, too.
    """
    fields = type(body).model_fields
    names = fields if with_defaults else body.model_fields_set
    return {fields[n].alias or n: getattr(body, n) for n in fields if n in names}


def completed(
    description: ResourceDescription,
    values: Mapping[str, Any],
    *,
    key: Any,
    owner_id: str | None,
    now: datetime,
) -> dict[str, Any]:
    """All values of a new row, in the order of the columns.

    A column is left out only where the database itself fills it in.
    """
    ours = {VERSION: 1, CREATED: now, UPDATED: now}
    if description.owned:
        ours[OWNER] = owner_id
    row: dict[str, Any] = {}
    for column in description.columns:
        name = column.name
        if name in ours:
            row[name] = ours[name]
        elif name in values:
            row[name] = values[name]
        elif column.is_key:
            row |= {} if key is None else {name: key}
        elif column.column.server_default is None:
            row[name] = column.make_default()
    return row


def new_keys(column: ResourceColumn, count: int) -> Sequence[Any]:
    """Keys for new rows, ascending; `None` where the database counts or the maker
    must name them."""
    if column.kind is Kind.INTEGER or not (
        column.column.default is not None or column.kind is Kind.UUID
    ):
        return [None] * count
    if column.kind is Kind.UUID:
        return sorted(UUID(new_id()) for _ in range(count))
    made = [column.make_default() for _ in range(count)]
    return sorted(made)
