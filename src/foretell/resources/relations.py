"""Relations of a resource to others: what `expand` may nest in a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import RelationshipDirection, RelationshipProperty

from foretell.resources.columns import ResourceColumn

if TYPE_CHECKING:
    from foretell.resources.description import ResourceDescription

CHILDREN = 100
"""Rows of a to-many relation that are nested in each row, unless declared."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation to a resource.

    Attributes:
        is_many: Whether it nests a list.
        local: Column of this resource that the relation goes by.
        remote: Column of the target with the same values.
        order: `order_by` of the relationship.
        limit: Rows nested at most, when it is many.
    """

    name: str
    target: "ResourceDescription" = field(repr=False)
    is_many: bool
    local: ResourceColumn
    remote: ResourceColumn
    order: tuple[Any, ...] = ()
    limit: int = CHILDREN


def relations_of(description: "ResourceDescription") -> Mapping[str, Relation]:
    """The relations whose target is a resource too and that may be expanded.

    Many-to-many relations are left out, and those over several columns.
    """
    found = {}
    for item in description.model.__mapper__.relationships:
        relation = _relation(description, item)
        if relation is not None:
            found[item.key] = relation
    return found


def _relation(
    here: "ResourceDescription", item: RelationshipProperty[Any]
) -> Relation | None:
    there = getattr(item.mapper.class_, "__resource__", None)
    wanted = here.expand
    if there is None or (wanted is not None and item.key not in wanted):
        return None
    if item.direction is RelationshipDirection.MANYTOMANY:
        return None
    pairs: list[Any] = list(item.local_remote_pairs or ())
    if len(pairs) != 1:
        return None
    return Relation(
        name=item.key,
        target=there,
        is_many=bool(item.uselist),
        local=here.column_of(pairs[0][0]),
        remote=there.column_of(pairs[0][1]),
        order=tuple(item.order_by or ()),
        limit=_limit(wanted, item.key),
    )


def _limit(wanted: Any, name: str) -> int:
    limit = wanted.get(name) if isinstance(wanted, Mapping) else None
    return limit or CHILDREN
