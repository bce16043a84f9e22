"""Nests related rows: one statement for each relation, whatever the number of rows."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from foretell.datasets.errors import ParameterInvalid
from foretell.resources.access import Access
from foretell.resources.description import ResourceDescription
from foretell.resources.errors import RelationUnknown
from foretell.resources.relations import Relation
from foretell.resources.rows import Row
from foretell.resources.store import ResourceStore, compiled_of

MAX_DEPTH = 2
MAX_RELATIONS = 10

Tree: TypeAlias = Mapping[str, "Tree"]
"""Names of relations, each with those to nest below it."""


def tree_of(description: ResourceDescription, expand: str | None) -> Tree:
    """Read `expand=orders,city,orders.lines`.

    Raises:
        RelationUnknown: A name is no relation of its resource.
        ParameterInvalid: Too many, or too deep.
    """
    tree: dict[str, Any] = {}
    paths = [path.strip() for path in (expand or "").split(",") if path.strip()]
    if len(paths) > MAX_RELATIONS:
        raise ParameterInvalid("expand", f"takes at most {MAX_RELATIONS} relations")
    for path in paths:
        names = path.split(".")
        if len(names) > MAX_DEPTH:
            raise ParameterInvalid("expand", f"goes at most {MAX_DEPTH} levels deep")
        here, branch = description, tree
        for name in names:
            if name not in here.relations:
                raise RelationUnknown(name, list(here.relations))
            here, branch = here.relations[name].target, branch.setdefault(name, {})
    return tree


async def nest(
    store: ResourceStore,
    access: Access,
    rows: Sequence[Row],
    answers: Sequence[dict[str, Any]],
    tree: Tree,
) -> None:
    """Put the rows of each relation in `tree` into `answers`, one for each of `rows`.

    The scope and the rows that exist for the caller are those of each target.
    """
    for name, below in tree.items():
        relation = access.description.relations[name]
        target = access.to(relation.target)
        target.demand_read()
        found = await _related(store, relation, target, rows)
        flat = [row for many in found.values() for row in many]
        shape = compiled_of(relation.target).shape
        shown = [shape.shown(row) for row in flat]
        if below and flat:
            await nest(store.of(relation.target), target, flat, shown, below)
        _place(relation, rows, answers, found, shown)


async def _related(
    store: ResourceStore, relation: Relation, target: Access, rows: Sequence[Row]
) -> dict[Any, list[Row]]:
    keys = {row[relation.local.name] for row in rows} - {None}
    if not keys:
        return {}
    return await store.related(
        relation,
        compiled_of(relation.target).shape,
        sorted(keys),
        owner=target.reads_as,
        condition=target.condition,
    )


def _place(
    relation: Relation,
    rows: Sequence[Row],
    answers: Sequence[dict[str, Any]],
    found: Mapping[Any, Sequence[Row]],
    shown: Sequence[dict[str, Any]],
) -> None:
    rest = iter(shown)
    by_key = {key: [next(rest) for _ in many] for key, many in found.items()}
    for row, answer in zip(rows, answers, strict=True):
        many = by_key.get(row[relation.local.name], [])
        answer[relation.name] = many if relation.is_many else next(iter(many), None)
