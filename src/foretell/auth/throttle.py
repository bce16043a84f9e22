"""Slows down guessing: failures are counted, nothing else.

The counters stand in the database, one row a failure. Counters in memory would
multiply the limits by the number of processes and forget them at each restart,
and a failed sign-in writes its audit row anyway. Subjects are digests, so the
table does not tell which accounts somebody tried.
"""

import hashlib
import math
from datetime import datetime, timedelta

from foretell.auth.errors import TooManyFailures
from foretell.auth.store import FailureStore
from foretell.core.addresses import network_of
from foretell.core.clock import Clock

ACCOUNT_PER_MINUTE = 5
ACCOUNT_PER_HOUR = 20
ADDRESS_PER_MINUTE = 20
EVERYWHERE_PER_MINUTE = 200
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


class Throttle:
    """Failures of accounts and of addresses.

    An account has five free failures. From then on each try waits a minute after
    the last failure, two minutes from the tenth on, four from the fifteenth; after
    twenty in an hour until the hour is over. So nobody is locked out for ever, and
    nobody guesses more than twenty times an hour.

    Two hundred failed sign-ins a minute on the whole server are more than people make:
    whoever spreads guesses over addresses and accounts is met by that last limit. It
    holds back sign-ins alone; tokens, sessions and keys do not ask the throttle.
    """

    def __init__(self, failures: FailureStore, clock: Clock) -> None:
        self._failures = failures
        self._clock = clock

    async def refusal(self, account: str, address: str) -> TooManyFailures | None:
        """What to answer instead of trying, if it is too early.

        Args:
            account: What names the account, such as its e-mail key; may be empty.
            address: The caller's network address, `purpose|address` where tries of
                that purpose are counted apart; may be empty.
        """
        now = self._clock.now()
        until = [now]
        if account:
            until.append(await self._account_until(account, now))
        if address:
            until.append(
                await self._until(_address_subject(address), now, ADDRESS_PER_MINUTE)
            )
            if _is_plain(address):
                until.append(await self._until(_EVERYWHERE, now, EVERYWHERE_PER_MINUTE))
        seconds = math.ceil((max(until) - now).total_seconds())
        return TooManyFailures(seconds) if seconds > 0 else None

    async def is_noted(self, account: str, address: str) -> bool:
        """Whether a refusal like this was logged within a minute: a flood of them
        must not become a flood of rows."""
        since = self._clock.now() - _MINUTE
        for subject in _noted(account, address):
            if await self._failures.recent(subject, since=since, limit=1):
                return True
        most = EVERYWHERE_PER_MINUTE
        noted = await self._failures.recent(_ALL_NOTED, since=since, limit=most)
        return len(noted) >= most

    async def note(self, account: str, address: str) -> None:
        """Remember that such a refusal has been logged."""
        subjects = [*_noted(account, address), _ALL_NOTED]
        await self._failures.add(subjects, self._clock.now())

    async def count(self, account: str, address: str) -> None:
        """Note one failure."""
        subjects = [_account_subject(account)] if account else []
        if address:
            subjects.append(_address_subject(address))
            if _is_plain(address):
                subjects.append(_EVERYWHERE)
        await self._failures.add(subjects, self._clock.now())

    async def forgive(self, account: str) -> None:
        """Forget the account's failures, after a success. Those of the address
        stay: an attacker could clear them with an account of their own."""
        await self._failures.forget(_account_subject(account))

    async def _account_until(self, account: str, now: datetime) -> datetime:
        times = await self._failures.recent(
            _account_subject(account), since=now - _HOUR, limit=ACCOUNT_PER_HOUR
        )
        if len(times) < ACCOUNT_PER_MINUTE:
            return now
        if len(times) >= ACCOUNT_PER_HOUR:
            return times[-1] + _HOUR
        doublings = len(times) // ACCOUNT_PER_MINUTE - 1
        return times[0] + _MINUTE * (1 << doublings)

    async def _until(self, subject: str, now: datetime, limit: int) -> datetime:
        times = await self._failures.recent(subject, since=now - _MINUTE, limit=limit)
        return times[-1] + _MINUTE if len(times) >= limit else now


_EVERYWHERE = hashlib.sha256(b"everywhere").hexdigest()
_ALL_NOTED = hashlib.sha256(b"noted everywhere").hexdigest()


def _is_plain(address: str) -> bool:
    """Whether tries from this address are sign-ins, not of a purpose of their own."""
    return "|" not in address


def _noted(account: str, address: str) -> list[str]:
    return [_account_subject(f"noted:{account}"), _address_subject(f"noted|{address}")]


def _account_subject(account: str) -> str:
    text = account.encode("utf-8", "surrogatepass")
    return hashlib.sha256(b"account:" + text).hexdigest()


def _address_subject(address: str) -> str:
    return hashlib.sha256(f"address:{_network(address)}".encode()).hexdigest()


def _network(address: str) -> str:
    purpose, separator, plain = address.rpartition("|")
    return f"{purpose}{separator}{network_of(plain)}"
