"""Redis as the store that API processes share.

Every key has a time to live and begins with `foretell:`. The counters of one script
share a slot, so a cluster takes it too. Counters use the clock of Redis: machines need
not agree about the time.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from foretell.core.rates import Rate
from foretell.core.shared import (
    ANSWER_SECONDS,
    SharedStoreRefused,
    SharedStoreUnavailable,
)
from foretell.settings import SettingsError

PREFIX = "foretell:"
CHANNEL = "foretell:signals"
MAX_CONNECTIONS = 16
SILENCE_SECONDS = 5.0
# The moment up to which a key has earned its requests, in microseconds. A moment too far
# ahead comes from another clock (a replica took over) and counts as a spent quota.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local most = window + interval / 1000
local leads = {}
for place, key in ipairs(KEYS) do
  local ahead = (tonumber(redis.call('GET', key) or now) or now) - now
  local lead = math.min(math.max(ahead, 0), window) + interval
  if lead > most then
    leads[place] = -math.max(math.ceil(lead - window), 1)
  else
    redis.call('SET', key, string.format('%.2f', now + lead), 'PX', math.ceil(lead / 1000) + 1)
    leads[place] = math.floor(lead)
  end
end
return leads
"""


class RedisStore:
    """See `foretell.core.shared.SharedStore`."""

    def __init__(self, url: str) -> None:
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                # Answers as every Redis since 5 gives them.
                protocol=2,
                client_name="foretell",
                max_connections=MAX_CONNECTIONS,
                timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                # Who asks decides what to do without an answer.
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise SettingsError(f"FORETELL_REDIS_URL: {error}") from None
        self._client: Any = Redis.from_pool(pool)
        self._script = ""

    async def take(self, keys: Sequence[str], rate: Rate) -> list[float]:
        named = [f"{PREFIX}{{rate}}:{rate.count}/{rate.seconds}:{key}" for key in keys]
        arguments = (rate.interval * 1e6, rate.seconds * 1_000_000)
        with _translated():
            if not self._script:
                self._script = await self._client.script_load(_TAKE)
            try:
                leads = await self._client.evalsha(
                    self._script, len(named), *named, *arguments
                )
            except NoScriptError:  # it was started again
                leads = await self._client.eval(_TAKE, len(named), *named, *arguments)
        return [lead / 1e6 for lead in leads]

    async def get(self, key: str) -> bytes | None:
        with _translated():
            found: bytes | None = await self._client.get(PREFIX + key)
        return found

    async def put(self, key: str, value: bytes, *, seconds: int) -> None:
        with _translated():
            await self._client.set(PREFIX + key, value, ex=seconds)

    async def publish(self, signal: str) -> None:
        with _translated():
            await self._client.publish(CHANNEL, signal)

    async def listen(self) -> AsyncGenerator[str]:
        with _translated():
            async with self._client.pubsub() as heard:
                await heard.subscribe(CHANNEL)
                while True:
                    message = await _next(heard)
                    if message["type"] == "subscribe":
                        yield ""
                    elif message["type"] == "message":
                        yield message["data"].decode()

    async def ping(self) -> None:
        with _translated():
            await self._client.ping()

    async def close(self) -> None:
        with suppress(RedisError, OSError):
            await self._client.aclose()


async def _next(heard: Any) -> dict[str, Any]:
    """The next message; a connection that only seems to be there is noticed."""
    found: dict[str, Any] | None = await heard.get_message(timeout=SILENCE_SECONDS)
    if found is None:
        await heard.ping()
        found = await heard.get_message(timeout=ANSWER_SECONDS)
    if found is None:
        raise SharedStoreUnavailable("The shared store does not answer.")
    return found


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ResponseError as error:
        # No room, no permission, a replica.
        reason = f"The shared store refuses ({type(error).__name__})."
        raise SharedStoreRefused(reason) from error
    except (RedisError, OSError) as error:
        # Its text may quote the URL.
        reason = f"The shared store does not answer ({type(error).__name__})."
        raise SharedStoreUnavailable(reason) from error
