"""`describe(model)`: reads a declarative model once, when it is registered."""

from collections.abc import Sequence

from pydantic import BaseModel
from sqlalchemy import Column, Table

from foretell.core.names import snake_case
from foretell.resources import schemas
from foretell.resources.columns import ResourceColumn, column_of
from foretell.resources.description import (
    Expandable,
    Readers,
    ResourceDescription,
    Visible,
)
from foretell.resources.errors import ResourceDeclarationError
from foretell.resources.hooks import ResourceHooks
from foretell.resources.model import Resource, add_owner


def describe(
    model: type[Resource],
    *,
    path: str | None = None,
    prefix: str = "/api",
    owned: bool = False,
    readable_by: Readers | None = None,
    public: Sequence[str] = (),
    expand: Expandable = None,
    create: type[BaseModel] | None = None,
    update: type[BaseModel] | None = None,
    read: type[BaseModel] | None = None,
    hooks: ResourceHooks | type[ResourceHooks] | None = None,
    visible: Visible | None = None,
    audit: bool = False,
    tags: Sequence[str] | None = None,
) -> ResourceDescription:
    """Make a resource of a declarative model.

    Args:
        path: The last part of the address; the name of the table when not given.
        owned: A row is its maker's: to others it does not exist, admins see all.
        readable_by: `everyone` lets others read the rows of an owned resource.
        public: `("read",)` lets GETs in without a credential.
        expand: Relations that `expand=` may name, all when not given; a mapping says
            how many rows of each are nested.
        create, update, read: Own schemas in place of the derived ones.
        hooks: Own code around writes.
        visible: Gives the condition for the rows that exist for a caller.
        audit: Whether each write leaves an entry in the audit log.

    Raises:
        ResourceDeclarationError: The model cannot be one.
    """
    _demand(model, public, readable_by, owned)
    if owned:
        add_owner(model)
    table, columns = _table(model), _columns(model)
    title, plural = model.__name__, path or table.name
    made = create or schemas.create_schema(f"{title}Create", columns)
    shown = read or schemas.read_schema(f"{title}Read", columns)
    description = ResourceDescription(
        model=model,
        table=table,
        name=snake_case(title),
        plural=plural,
        prefix=prefix.rstrip("/"),
        columns=columns,
        create=made,
        update=update or schemas.update_schema(f"{title}Update", columns),
        read=shown,
        bulk=schemas.bulk_schema(f"{title}Bulk", made),
        page=schemas.list_schema(f"{title}List", shown),
        creates_by_model=create is not None,
        updates_by_model=update is not None,
        renders_by_model=read is not None,
        owned=owned,
        readable_by=readable_by or ("owner" if owned and not public else "everyone"),
        public=tuple(public),
        expand=expand,
        hooks=hooks() if isinstance(hooks, type) else hooks,
        visible=visible,
        audit=audit,
        tags=tuple(tags or (plural,)),
    )
    model.__resource__ = description
    return description


def _demand(
    model: type[Resource],
    public: Sequence[str],
    readable_by: Readers | None,
    owned: bool,
) -> None:
    if not (isinstance(model, type) and issubclass(model, Resource)):
        raise ResourceDeclarationError(f"{model!r} does not derive from Resource")
    if set(public) - {"read"}:
        raise ResourceDeclarationError('public takes "read" and nothing else')
    if readable_by is not None and not owned:
        raise ResourceDeclarationError("readable_by is for owned resources")
    if readable_by == "owner" and public:
        raise ResourceDeclarationError("what only an owner reads cannot be public")
    if "__resource__" in model.__dict__:
        raise ResourceDeclarationError(f"{model.__name__} is registered twice")


def _table(model: type[Resource]) -> Table:
    table = model.__table__
    if not isinstance(table, Table) or len(table.primary_key.columns) != 1:
        raise ResourceDeclarationError(
            f"{model.__name__}: the primary key of a resource is one column"
        )
    return table


def _columns(model: type[Resource]) -> tuple[ResourceColumn, ...]:
    # Not `column_attrs`: that resolves the relations of every model, and those that
    # this one names may not be there yet.
    items = model.__mapper__.columns.items()
    try:
        return tuple(
            column_of(name, column)
            for name, column in items
            if isinstance(column, Column)
        )
    except ResourceDeclarationError as error:
        raise ResourceDeclarationError(f"{model.__name__}: {error}") from None
