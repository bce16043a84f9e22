"""Connectors to outside databases as a port: what a scheme such as `oracle` can do.

Everything here blocks: it runs in threads and jobs. Rows travel in chunks, so that a
table larger than memory goes through.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

Chunk = Sequence[Mapping[str, Any]]


class Connector(Protocol):
    """One kind of outside database."""

    def check(self, url: str) -> None:
        """Return when the database answers and the credentials count.

        Raises:
            Unavailable: It does not answer.
            Forbidden: It refuses the credentials.
        """
        ...

    def tables(self, url: str) -> list[str]:
        """Names of what can be read."""
        ...

    def read(self, url: str, table: str, *, rows: int) -> Iterator[Chunk]:
        """All rows of a table, at most `rows` in a chunk.

        Raises:
            NotFound: There is no such table.
        """
        ...

    def write(self, url: str, table: str, chunks: Iterable[Chunk]) -> int:
        """Replace a table by the rows of `chunks`, wholly or not at all; answers how
        many there were."""
        ...
