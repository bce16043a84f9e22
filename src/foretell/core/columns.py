"""The types a column can have, as the HTTP API names them."""

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """Types of the cells of a dataset column (contract.md, "Dataset")."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    BINARY = "binary"
    LIST = "list"
    STRUCT = "struct"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dataset version."""

    name: str
    type: ColumnType
    nullable: bool = True
