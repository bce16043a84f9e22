"""Connectors to outside databases as a port: what a kind such as `postgresql` can do.

A connector is found by the entry point group `foretell.connectors`, or registered by
an extension. It never decides where it may go: the address in its `Target` has been
looked up and checked once, and is the only one it may connect to. Rows travel in
chunks, so that a table larger than memory goes through.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import SecretStr

from foretell.core.columns import ColumnType

GROUP = "foretell.connectors"
Chunk = Sequence[Mapping[str, Any]]
Mode = Literal["replace", "append"]
SourceKind = Literal["table", "query", "collection"]


@dataclass(frozen=True, slots=True)
class Target:
    """An outside database and how to get in.

    Attributes:
        host: Its name, for the check of its certificate.
        address: The checked IP address to connect to; empty for a file.
        tls_ca: PEM certificates to trust instead of the system's.
        path: The file of a database that is one.
        timeout_seconds: Longest run of one statement.
        connect_seconds: Longest wait for a connection.
    """

    kind: str
    host: str = ""
    address: str = ""
    port: int = 0
    database: str = ""
    username: str = ""
    password: SecretStr = field(default=SecretStr(""), repr=False)
    tls: bool = False
    tls_ca: str | None = field(default=None, repr=False)
    path: Path | None = None
    timeout_seconds: float = 3600.0
    connect_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class After:
    """Only rows whose `column` is above `value`, in its order; all without one."""

    column: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Source:
    """What to read: a table, the text of a read-only query, or a collection."""

    kind: SourceKind
    text: str
    after: After | None = None


@dataclass(frozen=True, slots=True)
class ForeignColumn:
    """A column as the other database declares it.

    Attributes:
        type: What it holds; `None` where the database does not say.
        scale: Digits behind the point of a decimal, if it has a fixed number.
        is_zoned: Whether timestamps are moments, or what a clock on a wall shows.
        note: Its own type, where a dataset has none like it.
        is_fixed: Whether its rows follow others, whose type it then has to have.
    """

    name: str
    type: ColumnType | None = None
    scale: int | None = None
    is_zoned: bool = True
    note: str | None = None
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows on their way: declared columns (none of documents), then the chunks."""

    columns: Sequence[ForeignColumn]
    chunks: AsyncIterator[Chunk]


@dataclass(frozen=True, slots=True)
class Sink:
    """Where rows go.

    Attributes:
        name: Table, collection or key.
        columns: Of the rows, in order; every cell may be null.
        mode: Take the place of what is there, or follow it.
        token: Names this piece of work. A second try has the same one, removes what
            the first left behind, and does not append twice.
        key_column: Whose cells name the fields of a Redis hash.
    """

    name: str
    columns: Sequence[ForeignColumn]
    mode: Mode
    token: str
    key_column: str | None = None


class Connector(Protocol):
    """One kind of outside database.

    Failures are errors of `foretell.connections.errors`; no message of a driver goes
    into them, since it may quote a value or a secret.
    """

    async def check(self, target: Target) -> None:
        """Return when the database answers and the credentials count.

        Raises:
            ConnectionUnreachable, ConnectionRejected.
        """
        ...

    async def tables(self, target: Target) -> list[str]:
        """Names of what can be read, in order."""
        ...

    def read(
        self, target: Target, source: Source, *, rows: int
    ) -> AbstractAsyncContextManager[Reading]:
        """All rows of a source, at most `rows` in a chunk, read-only.

        Raises:
            SourceNotFound: There is no such table, collection or column.
            SourceFailed: The database refuses the query, or it takes too long.
        """
        ...

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        """Store all rows, wholly or not at all; answers how many there were."""
        ...
