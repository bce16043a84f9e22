"""What a constraint refused, told from the words of each driver."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError, IntegrityError

from foretell.core.db import is_unique_violation
from foretell.resources.description import ResourceDescription

_POSTGRESQL_REFERENCE = "23503"
_MYSQL_REFERENCES = (1216, 1217, 1451, 1452)
_POSTGRESQL_CHECK = "23514"
_MYSQL_CHECKS = (3819, 4025)
_SQLITE_UNIQUE = re.compile(r"UNIQUE constraint failed: (.+)")
_MYSQL_KEY = re.compile(r"for key '(?:[^'.]+\.)?([^']+)'")


class Violation(Enum):
    UNIQUE = auto()
    REFERENCE = auto()
    CHECK = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Clash:
    """Which kind of constraint, and of a unique one the columns, if they are known."""

    violation: Violation
    columns: tuple[str, ...] = ()


def clash_of(error: DBAPIError, description: ResourceDescription) -> Clash:
    """What a constraint of `description`'s table, or one that refers to it, refused."""
    if isinstance(error, IntegrityError) and is_unique_violation(error):
        columns = _unique_columns(error, description.table)
        names = {c.column.name: c.name for c in description.columns}
        return Clash(Violation.UNIQUE, tuple(names[c] for c in columns if c in names))
    if _tells(error, _POSTGRESQL_REFERENCE, _MYSQL_REFERENCES, "FOREIGN KEY"):
        return Clash(Violation.REFERENCE)
    if _tells(error, _POSTGRESQL_CHECK, _MYSQL_CHECKS, "CHECK"):
        return Clash(Violation.CHECK)
    return Clash(Violation.OTHER)


def _tells(
    error: DBAPIError, sqlstate: str, numbers: tuple[int, ...], words: str
) -> bool:
    for original in _causes(error):
        if getattr(original, "sqlstate", None) == sqlstate:
            return True
        if original.args and original.args[0] in numbers:
            return True
        if f"{words} constraint failed" in str(original):
            return True
    return False


def _unique_columns(error: DBAPIError, table: Table) -> tuple[str, ...]:
    for original in _causes(error):
        found = _SQLITE_UNIQUE.search(str(original))
        if found:
            return tuple(name.rpartition(".")[2] for name in found.group(1).split(", "))
        name = getattr(original, "constraint_name", None)
        key = _MYSQL_KEY.search(str(original))
        if name is None and key is not None:
            name = key.group(1)
        if name is not None:
            return _columns_of(str(name), table)
    return ()


def _columns_of(name: str, table: Table) -> tuple[str, ...]:
    if name == "PRIMARY":
        return tuple(column.name for column in table.primary_key.columns)
    items: list[Any] = [*table.constraints, *table.indexes]
    for item in items:
        if item.name == name:
            return tuple(column.name for column in getattr(item, "columns", ()))
    return ()


def _causes(error: DBAPIError) -> list[BaseException]:
    # The async adapters wrap the driver's own error.
    found: list[BaseException] = []
    original: BaseException | None = error.orig
    while original is not None:
        found.append(original)
        original = original.__cause__
    return found
