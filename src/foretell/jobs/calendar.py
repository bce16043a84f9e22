"""When a schedule ticks, in the time of its place and across its clock changes.

The rule is Debian cron's. A fixed time of day runs exactly once a day: where the
clock skips it, at the moment of the change; where the clock repeats it, the first
time. What repeats within the hour (`*/15 * * * *`) goes by elapsed time. Intervals
know no clock at all.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

SHORTEST_SECONDS = 1.0
_FIELDS = 5  # with seconds, cronsim leaves Debian's rules
_FAR = timedelta(days=366 * 8)
_RECENT = timedelta(days=2)


def fault_of_cron(cron: str) -> str | None:
    """What is wrong with an expression, or `None`."""
    if len(cron.split()) != _FIELDS:
        return "has five fields: minute, hour, day of month, month, day of week"
    try:
        next(CronSim(cron, datetime.now(UTC)))
    except CronSimError as error:
        return str(error).lower()
    except StopIteration:
        return "never happens"
    return None


def fault_of_zone(name: str) -> str | None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "is no time zone of IANA, such as Europe/Berlin"
    return None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The ticks of one schedule.

    Attributes:
        cron: Five fields, or `None` for an interval.
        every_seconds: Length of the interval.
        anchor: From where the interval counts.
    """

    cron: str | None
    every_seconds: float | None
    timezone: str
    anchor: datetime

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Ticks later than `moment`, in UTC."""
        if self.cron is None:
            return self._by_interval(moment)
        return self._by_cron(self.cron, moment)

    def next_after(self, moment: datetime) -> datetime | None:
        return next(self.after(moment), None)

    def upcoming(self, moment: datetime, number: int = 5) -> list[datetime]:
        return list(islice(self.after(moment), number))

    def between(self, first: datetime, until: datetime, limit: int) -> list[datetime]:
        """Ticks from `first`, which is one, to `until`; no more than `limit`."""
        later = takewhile(lambda tick: tick <= until, self.after(first))
        return [first, *islice(later, limit - 1)]

    def last_until(self, first: datetime, until: datetime) -> datetime:
        """The last tick from `first`, which is one, to `until`."""
        # Where much was missed only the end is walked; what is rare is few anyway.
        for start in (max(first, until - _RECENT), first):
            ticks = takewhile(lambda tick: tick <= until, self.after(start))
            last = deque(ticks, maxlen=1)
            if last:
                return last[0]
        return first

    def _by_cron(self, cron: str, moment: datetime) -> Iterator[datetime]:
        local = moment.astimezone(ZoneInfo(self.timezone))
        limit = moment + _FAR
        for tick in CronSim(cron, local):
            found = tick.astimezone(UTC)
            if found > limit:
                return
            # In a repeated hour a local time that lies ahead may be a moment behind.
            if found > moment:
                yield found

    def _by_interval(self, moment: datetime) -> Iterator[datetime]:
        every = self.every_seconds or SHORTEST_SECONDS
        elapsed = (moment - self.anchor).total_seconds()
        for step in count(max(0, math.floor(elapsed / every))):
            tick = self.anchor + timedelta(seconds=step * every)
            # Rounding to microseconds may give the tick we come from again.
            if tick > moment:
                yield tick
