"""Who may see and change an object: its owner, admins, and whom they let.

Other areas put `Owned` on their tables and ask the functions below. Readers and
writers stand in the row itself as text, ` id id `, which every database searches
in the same way; a table of grants would cost each list a join for lists that are
nearly always empty.
"""

from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, Dialect, String, false, or_, true, type_coerce
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.types import Text, TypeDecorator

from foretell.core.db import LongText
from foretell.core.principal import Principal
from foretell.errors import Forbidden, ForetellError

Visibility = Literal["private", "everyone"]
T = TypeVar("T", bound="Owned")


class UserIds(TypeDecorator[list[str]]):
    """A short list of user ids, searchable as text on every database."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str:
        return "".join(f" {user_id} " for user_id in value or ())

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str]:
        return (value or "").split()


class Owned:
    """Columns of an object that belongs to somebody. A mixin for tables."""

    owner_id: Mapped[str] = mapped_column(String(36), index=True)
    visibility: Mapped[str] = mapped_column(String(16), default="private")

    @declared_attr
    @classmethod
    def readers(cls) -> Mapped[list[str]]:
        return mapped_column(UserIds, default=list)

    @declared_attr
    @classmethod
    def writers(cls) -> Mapped[list[str]]:
        return mapped_column(UserIds, default=list)


class NotYours(Forbidden):
    """The caller may see the object but not change it."""

    slug = "not-yours"

    def __init__(self) -> None:
        super().__init__("You may read this, not change it; its owner may let you.")


def visible_to(table: type[Owned], principal: Principal) -> ColumnElement[bool]:
    """A where-clause: the rows of `table` that `principal` may see."""
    if principal.is_admin:
        return true()
    return or_(
        table.owner_id == principal.user_id,
        table.visibility == "everyone",
        _names(table.readers, principal),
        _names(table.writers, principal),
    )


def writable_by(table: type[Owned], principal: Principal) -> ColumnElement[bool]:
    """A where-clause: the rows of `table` that `principal` may change."""
    if principal.is_admin:
        return true()
    return or_(
        table.owner_id == principal.user_id,
        _names(table.writers, principal),
    )


def may_read(row: Owned, principal: Principal) -> bool:
    """Whether `principal` may see `row`; the same rule as `visible_to`."""
    return (
        may_write(row, principal)
        or row.visibility == "everyone"
        or principal.user_id in row.readers
    )


def may_write(row: Owned, principal: Principal) -> bool:
    """Whether `principal` may change `row`; the same rule as `writable_by`."""
    return may_share(row, principal) or principal.user_id in row.writers


def may_share(row: Owned, principal: Principal) -> bool:
    """Whether `principal` may say who else sees or changes `row`."""
    return principal.is_admin or row.owner_id == principal.user_id


def readable(row: T | None, principal: Principal, missing: ForetellError) -> T:
    """Give `row` back, or raise `missing`: what one may not see does not exist."""
    if row is None or not may_read(row, principal):
        raise missing
    return row


def ensure_may_write(row: Owned, principal: Principal) -> None:
    """Return if `principal`, who may see `row`, may also change it.

    Raises:
        NotYours: They may not.
    """
    if not may_write(row, principal):
        raise NotYours


def ensure_may_share(row: Owned, principal: Principal) -> None:
    """Return if `principal` may say who else sees or changes `row`.

    Raises:
        NotYours: Only its owner and admins may.
    """
    if not may_share(row, principal):
        raise NotYours


def _names(column: Any, principal: Principal) -> ColumnElement[bool]:
    if not principal.user_id:
        return false()
    found: ColumnElement[bool] = type_coerce(column, Text).contains(
        f" {principal.user_id} ", autoescape=True
    )
    return found
