"""What each kind of outside database is told by, and what it can do."""

from collections.abc import Mapping
from dataclasses import dataclass

from foretell.core.connectors import SourceKind


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        port: Its usual port; `None` for files.
        sources: What can be read of it.
        sink: What rows are written to, as `export` names it.
        schemes: Of its URLs.
        needs_database: Whether a database has to be named.
    """

    name: str
    port: int | None
    sources: tuple[SourceKind, ...]
    sink: str
    schemes: tuple[str, ...]
    needs_database: bool = True

    @property
    def is_file(self) -> bool:
        return self.port is None


BUILT_IN: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "postgresql", 5432, ("table", "query"), "table", ("postgresql", "postgres")
        ),
        Kind("mysql", 3306, ("table", "query"), "table", ("mysql", "mariadb")),
        Kind("sqlite", None, ("table", "query"), "table", ("sqlite",)),
        Kind("mongodb", 27017, ("collection",), "collection", ("mongodb",)),
        Kind("redis", 6379, (), "key", ("redis", "rediss"), needs_database=False),
    )
}


def kind_of(name: str) -> Kind:
    """A kind by its name; one that an extension adds takes tables, and a port."""
    return BUILT_IN.get(name) or Kind(name, 0, ("table", "query"), "table", (name,))
