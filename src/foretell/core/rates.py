"""Limits of how often somebody may do something, and the counters of one process.

A counter is one number, the moment at which everything that was let in would have
been earned (the generic cell rate algorithm): no window whose edge lets twice as much
through, no list of times, and the same arithmetic here and in a script of a shared
store.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

MAX_KEYS = 50_000
# A thousandth of one request: sums of floats must not refuse the last of a burst.
_SLACK = 1e-3


class Verdict(NamedTuple):
    """What one request met.

    Attributes:
        remaining: How many more would be let in now.
        reset_seconds: Until the quota is whole again.
        wait_seconds: Until the next one is let in; 0 while some remain.
    """

    allowed: bool
    remaining: int
    reset_seconds: float
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` at once, and from then on as many in every `seconds`, evenly."""

    count: int
    seconds: int

    @property
    def interval(self) -> float:
        """Seconds in which one request is earned."""
        return self.seconds / self.count

    def verdict(self, lead: float) -> Verdict:
        """Read what a counter answered.

        Args:
            lead: Seconds by which the caller is ahead of the even rate, this request
                included; where it was refused, minus the seconds it has to wait.
        """
        interval = self.interval
        if lead < 0:
            return Verdict(False, 0, self.seconds - interval - lead, -lead)
        remaining = int((self.seconds - lead) / interval + _SLACK)
        wait = 0.0 if remaining else lead + interval - self.seconds
        return Verdict(True, remaining, lead, wait)


class Rates(Protocol):
    """Counts requests by key against one rate."""

    def refusal(self, key: str) -> Verdict | None:
        """What is known already to be refused, without counting or asking."""
        ...

    async def take(self, key: str) -> Verdict:
        """Count one request of `key`. Never fails, and never waits for long."""
        ...


class LocalRates:
    """Counters in this process, bounded: the key that was used longest ago goes first.

    Args:
        now: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        max_keys: int = MAX_KEYS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._now = now
        self._earned_at: dict[str, float] = {}
        self._most = rate.seconds + rate.interval * _SLACK

    def refusal(self, key: str) -> Verdict | None:
        wait = self._lead(key, self._now()) - self._most
        return self._rate.verdict(-wait) if wait > 0 else None

    async def take(self, key: str) -> Verdict:
        return self.take_now(key)

    def take_now(self, key: str) -> Verdict:
        """`take`, which waits for nothing here."""
        now = self._now()
        lead = self._lead(key, now)
        is_refused = lead > self._most
        earned_at = self._earned_at.pop(key, now)
        # Put at the end: the first one is the one used longest ago.
        self._earned_at[key] = earned_at if is_refused else now + lead
        if len(self._earned_at) > self._max_keys:
            del self._earned_at[next(iter(self._earned_at))]
        return self._rate.verdict(self._rate.seconds - lead if is_refused else lead)

    def _lead(self, key: str, now: float) -> float:
        """Seconds ahead, if one more were let in."""
        return max(self._earned_at.get(key, now) - now, 0.0) + self._rate.interval


def whole_seconds(seconds: float) -> int:
    """For headers, which know no parts of seconds: never too early."""
    return max(math.ceil(seconds), 0)
