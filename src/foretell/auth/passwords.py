"""Password hashing that cannot be made a lever against the server.

argon2id with 19 MiB, two passes and one lane (OWASP) takes about 50 ms; it runs in
two threads of its own, behind a bounded queue, so that a flood of sign-ins costs
its senders a 503 and nobody else anything. Unknown accounts are checked against a
hash that no password has, so the time does not tell who exists.
"""

import asyncio
import base64
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from foretell.auth.errors import HashingBusy
from foretell.auth.foreign_hashes import READERS

T = TypeVar("T")

MAX_PASSWORD = 1024
_SECONDS_PER_HASH = 0.05


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """Cost of one hash; a stored hash with others is renewed at the next sign-in."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right; `new_hash` replaces a hash with old costs."""

    matches: bool
    new_hash: str | None = None


class PasswordHasher:
    """Hashes and checks passwords off the event loop.

    Args:
        parameters: Cost of new hashes.
        threads: Hashes at the same time; each holds `memory_kib`.
        queue: Hashes that may wait or run before callers are sent away.
    """

    def __init__(
        self,
        parameters: Argon2Parameters | None = None,
        *,
        threads: int = 2,
        queue: int = 64,
    ) -> None:
        cost = parameters or Argon2Parameters()
        hasher = Argon2Hasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        self._hash = PasswordHash((hasher, *READERS))
        self._nobody = _hash_of_nothing(cost)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(queue)
        self._queue = queue

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash of `password`, exactly as received.

        Raises:
            HashingBusy: The queue is full.
        """
        return await self._run(lambda: self._hash.hash(_bytes_of(password)))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Check a password; takes the same time when there is no account.

        Raises:
            HashingBusy: The queue is full.
        """
        too_long = len(password) > MAX_PASSWORD
        candidate = _bytes_of("" if too_long else password)
        against = self._nobody if stored is None or too_long else stored
        return await self._run(lambda: self._check(candidate, against))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, candidate: bytes, stored: str) -> Verdict:
        try:
            matches, new_hash = self._hash.verify_and_update(candidate, stored)
        except (PwdlibError, ImportError):
            # No hash, or one of a kind that this installation cannot read; nothing
            # matches it, and it takes as long as any other to find out.
            self._hash.verify(candidate, self._nobody)
            return Verdict(matches=False)
        return Verdict(matches, new_hash)

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            wait = self._queue * _SECONDS_PER_HASH / self._threads
            raise HashingBusy(retry_after_seconds=max(1, round(wait)))
        job = self._pool.submit(work)
        # The place is free when the thread is, even if the caller went away.
        job.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(job)


def _bytes_of(password: str) -> bytes:
    # A lone surrogate is no password's, and must not be an exception either.
    return password.encode("utf-8", "surrogatepass")


def _hash_of_nothing(cost: Argon2Parameters) -> str:
    salt, key = (_unpadded(os.urandom(size)) for size in (16, 32))
    costs = f"m={cost.memory_kib},t={cost.passes},p={cost.lanes}"
    return f"$argon2id$v=19${costs}${salt}${key}"


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")
