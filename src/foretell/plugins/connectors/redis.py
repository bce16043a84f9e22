"""Redis as a place for rows: one hash, a field a row, its value the row as JSON.

The hash is filled under another key and takes its place by RENAME, or is merged into it
by a script: both are atomic.
"""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.exceptions import ConnectionError as RedisUnreachable

from foretell.connections.errors import (
    ConnectionRejected,
    ConnectionUnreachable,
    SinkFailed,
    SourceFailed,
)
from foretell.core.connectors import Chunk, Reading, Sink, Source, Target
from foretell.errors import ForetellError
from foretell.plugins.connectors.common import Staging

# HSET takes what fits on Lua's stack.
_MERGE = """
local cursor = '0'
repeat
  local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', 500)
  cursor = page[1]
  for first = 1, #page[2], 1000 do
    local last = math.min(first + 999, #page[2])
    redis.call('HSET', KEYS[2], unpack(page[2], first, last))
  end
until cursor == '0'
redis.call('DEL', KEYS[1])
"""


class RedisConnector:
    """See `foretell.core.connectors.Connector`; it is written to, not read."""

    async def check(self, target: Target) -> None:
        async with _connected(target) as client:
            with _translated():
                await client.ping()

    async def tables(self, target: Target) -> list[str]:
        return []

    @asynccontextmanager
    async def read(
        self, target: Target, source: Source, *, rows: int
    ) -> AsyncIterator[Reading]:
        raise SourceFailed("Redis is written to, not read.")
        yield

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        staging = Staging.of(sink).new
        rows = 0
        async with _connected(target) as client:
            with _translated(writes=True):
                await client.delete(staging)
                async for chunk in chunks:
                    await _put(client, staging, sink, chunk, rows)
                    rows += len(chunk)
                await _publish(client, staging, sink, rows)
        return rows


async def _put(client: Any, key: str, sink: Sink, chunk: Chunk, before: int) -> None:
    fields: dict[str, bytes] = {}
    for place, row in enumerate(chunk, start=before + 1):
        name = f"{sink.token}:{place}"
        if sink.key_column is not None:
            if row[sink.key_column] is None:
                raise SinkFailed(f"Row {place} has no {sink.key_column!r}.")
            name = str(row[sink.key_column])
        fields[name] = orjson.dumps(dict(row), default=_plain)
    if fields:
        added = await client.hset(key, mapping=fields)
        if added != len(chunk):
            raise SinkFailed(f"A value of {sink.key_column!r} comes more than once.")


async def _publish(client: Any, staging: str, sink: Sink, rows: int) -> None:
    if sink.mode == "append":
        await client.eval(_MERGE, 2, staging, sink.name)
    elif rows:
        await client.rename(staging, sink.name)
    else:  # Redis has no empty hash
        await client.delete(sink.name)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, timedelta):
        return round(value.total_seconds() * 1_000_000)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    raise TypeError


@asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[Any]:
    options: Mapping[str, Any] = {}
    if target.tls:
        # By name: its certificate then proves who answers.
        options = {
            "ssl": True,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_data": target.tls_ca,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
    client = Redis(
        host=target.host if target.tls else target.address,
        port=target.port,
        db=int(target.database or 0),
        username=target.username or None,
        password=target.password.get_secret_value() or None,
        socket_connect_timeout=target.connect_seconds,
        socket_timeout=min(target.timeout_seconds, 60.0),
        client_name="foretell",
        **options,
    )
    try:
        yield client
    finally:
        await client.aclose()


@contextmanager
def _translated(*, writes: bool = False) -> Iterator[None]:
    try:
        yield
    except ForetellError:
        raise
    except (AuthenticationError, NoPermissionError):
        raise ConnectionRejected("auth") from None
    except TimeoutError:
        raise ConnectionUnreachable("timeout") from None
    except (RedisUnreachable, OSError) as error:
        is_tls = isinstance(error, ssl.SSLError) or "SSL" in str(error)
        raise ConnectionUnreachable("tls" if is_tls else "unreachable") from None
    except ResponseError as error:
        word = str(error).split(" ")[0]
        if word in ("NOAUTH", "WRONGPASS"):
            raise ConnectionRejected("auth") from None
        if "DB index" in str(error):
            raise ConnectionRejected("database") from None
        kind = SinkFailed if writes else SourceFailed
        said = word if word.isupper() and word.isalpha() else "error"
        raise kind(f"Redis refuses it: {said[:20]}.") from None
    except RedisError as error:
        raise ConnectionUnreachable from error
