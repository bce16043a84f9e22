"""`Resource`: the base of a user's own tables.

A declarative model like any other of SQLAlchemy, in Foretell's metadata and so in
its migrations. It comes with a key, a version for optimistic locking (the mapper
knows it, so that a write by a session counts too) and two moments.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, MetaData, String, Table
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from foretell.core.clock import SystemClock
from foretell.core.db import Base
from foretell.core.ids import new_id
from foretell.core.names import plural, snake_case
from foretell.migrations import table_modules
from foretell.resources.errors import ResourceDeclarationError
from foretell.resources.types import make_portable

OWNER = "owner_id"
_READ_ONLY = {"read_only": True}
_TEXT_OPTIONS = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def _now() -> datetime:
    return SystemClock().now()


class Resource(Base):
    """Base of a table that becomes a CRUD API.

    Attributes:
        id: UUIDv7 as text; declare `id` again for an integer or `uuid.UUID` key.
        version: Counts the changes of the row.
        created_at, updated_at: Moments in UTC.
    """

    __abstract__ = True

    __resource__: ClassVar[Any]

    id: Mapped[Any] = mapped_column(
        String(36), primary_key=True, default=new_id, sort_order=-10
    )
    version: Mapped[int] = mapped_column(
        default=1, sort_order=1001, info=dict(_READ_ONLY)
    )
    created_at: Mapped[datetime] = mapped_column(
        default=_now, sort_order=1002, info=dict(_READ_ONLY)
    )
    updated_at: Mapped[datetime] = mapped_column(
        default=_now, onupdate=_now, sort_order=1003, info=dict(_READ_ONLY)
    )

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:
        return plural(snake_case(cls.__name__))

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}

    @classmethod
    def __table_cls__(
        cls, name: str, metadata: MetaData, *items: Any, **options: Any
    ) -> Table:
        """Make the table, with types that hold the same values on every database."""
        table_modules.load()
        if name in metadata.tables:
            raise ResourceDeclarationError(
                f"{cls.__name__}: the table {name!r} exists already; "
                "set __tablename__ to another name"
            )
        for item in items:
            if isinstance(item, Column):
                make_portable(item)
                _index_reference(item)
        return Table(name, metadata, *items, **{**_TEXT_OPTIONS, **options})


def add_owner(model: type[Resource]) -> None:
    """Give `model` the column that says whose a row is, unless it has one."""
    if OWNER in model.__mapper__.columns:
        return
    owner: Any = mapped_column(
        String(36),
        index=True,
        nullable=False,
        sort_order=1000,
        info=dict(_READ_ONLY),
    )
    make_portable(owner.column)
    setattr(model, OWNER, owner)


def _index_reference(column: Column[Any]) -> None:
    # A foreign key filters lists and is followed by `expand`; only MySQL indexes it
    # by itself. `index=False` keeps it without.
    if column.foreign_keys and column.index is None and not column.unique:
        column.index = not column.primary_key
