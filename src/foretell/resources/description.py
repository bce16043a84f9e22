"""Everything that the service, the statements and the routes of one resource need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import Column, ColumnElement, Table

from foretell.core.principal import Principal
from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.errors import ResourceDeclarationError
from foretell.resources.hooks import ResourceHooks
from foretell.resources.model import OWNER, Resource
from foretell.resources.relations import Relation, relations_of

Readers = Literal["owner", "everyone"]
Visible = Callable[[Principal | None], ColumnElement[bool]]
Expandable = Sequence[str] | Mapping[str, int] | None

PARAMETERS = frozenset(("where", "sort", "limit", "cursor", "expand"))
"""Names of list parameters; a column of such a name filters by `where` only."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceDescription:
    """One resource. Immutable; `relations` is read at the first use, when every model
    that it may name has been declared.

    Attributes:
        name, plural: `order_line`, `order_lines`; the plural is in the address.
        prefix: What the address starts with, `/api`.
        columns: All columns of the table, hidden ones too.
        create, update, read: Schemas of bodies, derived or the user's own.
        creates_by_model, updates_by_model: Bodies come by the user's own schema.
        renders_by_model: Rows go out through the user's own `read`.
        readable_by: Of an owned resource: whether others may read a row.
        public: `("read",)` when nobody needs to sign in for a GET.
        visible: Gives the condition for the rows that exist for a caller.
    """

    model: type[Resource]
    table: Table
    name: str
    plural: str
    prefix: str
    columns: tuple[ResourceColumn, ...]
    create: type[BaseModel]
    update: type[BaseModel]
    read: type[BaseModel]
    bulk: type[BaseModel]
    page: type[BaseModel]
    creates_by_model: bool
    updates_by_model: bool
    renders_by_model: bool
    owned: bool
    readable_by: Readers
    public: tuple[str, ...]
    expand: Expandable
    hooks: ResourceHooks | None
    visible: Visible | None
    audit: bool
    tags: tuple[str, ...]

    @property
    def address(self) -> str:
        return f"{self.prefix}/{self.plural}"

    @property
    def read_scope(self) -> str:
        return f"{self.plural}:read"

    @property
    def write_scope(self) -> str:
        return f"{self.plural}:write"

    @property
    def is_public(self) -> bool:
        """Whether a GET needs no credential."""
        return "read" in self.public

    @property
    def is_private(self) -> bool:
        """Whether a row exists for its owner and admins alone."""
        return self.owned and self.readable_by == "owner"

    @cached_property
    def is_plain(self) -> bool:
        """Whether nothing of the user's own code takes part: no hook, no policy in
        Python, no own schema for answers, no audit."""
        return not (self.hooks or self.visible or self.renders_by_model or self.audit)

    @cached_property
    def by_name(self) -> Mapping[str, ResourceColumn]:
        return {column.name: column for column in self.columns}

    @cached_property
    def key(self) -> ResourceColumn:
        return next(column for column in self.columns if column.is_key)

    @cached_property
    def readable(self) -> tuple[ResourceColumn, ...]:
        return tuple(column for column in self.columns if column.is_readable)

    @cached_property
    def stored(self) -> tuple[ResourceColumn, ...]:
        """What a statement gives back: the readable columns and what we need."""
        return tuple(
            column
            for column in self.columns
            if column.is_readable
            or column.is_key
            or column.references
            or column.name in (OWNER, "version")
        )

    @cached_property
    def sortable(self) -> tuple[ResourceColumn, ...]:
        return tuple(c for c in self.readable if c.kind is not Kind.JSON)

    @cached_property
    def filters(self) -> tuple[ResourceColumn, ...]:
        """Columns that `?column=value` takes: those that an index starts with."""
        return tuple(
            column
            for column in self.sortable
            if (column.is_indexed or column.references)
            and column.name not in PARAMETERS
        )

    @cached_property
    def relations(self) -> Mapping[str, Relation]:
        return relations_of(self)

    def column_of(self, column: Column[Any]) -> ResourceColumn:
        return next(c for c in self.columns if c.column is column)


def description_of(model: type[Resource]) -> ResourceDescription:
    """The description of a model that was registered.

    Raises:
        ResourceDeclarationError: It was not.
    """
    found: ResourceDescription | None = model.__dict__.get("__resource__")
    if found is None:
        raise ResourceDeclarationError(f"{model.__name__} is not registered")
    return found


def find_description(plural: str) -> ResourceDescription | None:
    """The registered resource of that name in addresses."""
    for mapper in Resource.registry.mappers:
        found: ResourceDescription | None = mapper.class_.__dict__.get("__resource__")
        if found is not None and found.plural == plural:
            return found
    return None
