"""What the connectors of SQL databases share: certificates, names, where rows wait."""

import hashlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from foretell.connections.errors import SinkFailed
from foretell.core.connectors import Chunk, ForeignColumn, Sink, Target

# Remembers which appends a database has had, so that a second try adds nothing.
LEDGER = "foretell_exports"


class _NamedContext(ssl.SSLContext):
    """Checks the certificate against the name, though the connection goes to an
    address that was looked up before."""

    server_name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(
            incoming, outgoing, server_side, self.server_name, session
        )


def tls_context(target: Target) -> ssl.SSLContext | None:
    """What checks the server's certificate; `None` where TLS is off."""
    if not target.tls:
        return None
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = target.host
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.tls_ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=target.tls_ca)
    return context


@dataclass(frozen=True, slots=True)
class Staging:
    """Names of this piece of work, the same at a second try."""

    new: str
    old: str

    @classmethod
    def of(cls, sink: Sink) -> "Staging":
        digest = hashlib.sha256(f"{sink.token}:{sink.name}".encode()).hexdigest()[:16]
        return cls(f"_foretell_new_{digest}", f"_foretell_old_{digest}")


def demand_columns(
    columns: Sequence[ForeignColumn], *, longest: int, is_case_blind: bool
) -> None:
    """Refuse names that the database would cut or take for one another.

    Raises:
        SinkFailed: Naming the column.
    """
    seen: set[str] = set()
    for column in columns:
        if not column.name or "\x00" in column.name:
            raise SinkFailed(f"{column.name!r} is no name of a column there.")
        if len(column.name.encode()) > longest:
            raise SinkFailed(
                f"The column name {column.name[:80]!r} is longer than {longest} bytes."
            )
        key = column.name.lower() if is_case_blind else column.name
        if key in seen:
            raise SinkFailed(f"Two columns would be called {column.name!r} there.")
        seen.add(key)


def demand_known(columns: Sequence[ForeignColumn], known: Sequence[str]) -> None:
    """Refuse columns that the table to append to does not have.

    Raises:
        SinkFailed: Naming them.
    """
    missing = [column.name for column in columns if column.name not in known]
    if missing:
        raise SinkFailed(
            "The table has no column " + ", ".join(repr(n) for n in missing[:20]) + "."
        )


def unique_names(names: Sequence[str]) -> list[str]:
    """Names of a query's columns, blank and repeated ones told apart."""
    found: list[str] = []
    for place, name in enumerate(names, start=1):
        base = name or f"column_{place}"
        chosen, number = base, 2
        while chosen in found:
            chosen, number = f"{base}_{number}", number + 1
        found.append(chosen)
    return found


class Counted:
    """Chunks that go by, as tuples in the order of the columns, and their number."""

    def __init__(
        self, columns: Sequence[ForeignColumn], chunks: AsyncIterator[Chunk]
    ) -> None:
        self._names = [column.name for column in columns]
        self._chunks = chunks
        self.rows = 0

    async def chunks(self) -> AsyncIterator[list[tuple[Any, ...]]]:
        async for chunk in self._chunks:
            self.rows += len(chunk)
            yield [tuple(row[name] for name in self._names) for row in chunk]

    async def one_by_one(self) -> AsyncIterator[tuple[Any, ...]]:
        async for chunk in self.chunks():
            for row in chunk:
                yield row
