"""Ticks across clock changes: the twelve cases, on the calendar of their place."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.jobs.calendar import Calendar, fault_of_cron, fault_of_zone

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
# Each: expression, zone, moment before (UTC), the ticks as that place's clock shows.
CASES = {
    "a skipped time runs at the change": (
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T12:00",
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    ),
    "a repeated time runs the first time only": (
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00",
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
    ),
    "quarters go on through a repeated hour": (
        "*/15 * * * *",
        "Europe/Berlin",
        "2026-10-25T00:40",
        [
            "2026-10-25T02:45:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:15:00+01:00",
        ],
    ),
    "every hour, also the repeated one": (
        "0 * * * *",
        "America/New_York",
        "2026-11-01T04:30",
        [
            "2026-11-01T01:00:00-04:00",
            "2026-11-01T01:00:00-05:00",
            "2026-11-01T02:00:00-05:00",
        ],
    ),
    "every hour, without the skipped one": (
        "0 * * * *",
        "America/New_York",
        "2026-03-08T05:30",
        ["2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"],
    ),
    "a start between the two times of one name": (
        "30 1 * * *",
        "America/New_York",
        "2026-11-01T05:45",
        ["2026-11-02T01:30:00-05:00"],
    ),
    "half an hour is skipped": (
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T00:00",
        ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
    ),
    "half an hour is repeated": (
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T00:00",
        ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
    ),
    "midnight itself is skipped": (
        "0 0 * * *",
        "America/Santiago",
        "2026-09-05T12:00",
        ["2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"],
    ),
    "a zone of quarters of an hour": (
        "50 2 * * *",
        "Pacific/Chatham",
        "2026-09-26T00:00",
        ["2026-09-27T03:45:00+13:45", "2026-09-28T02:50:00+13:45"],
    ),
    "summer is the standard time and winter the change": (
        "30 1 * * *",
        "Europe/Dublin",
        "2026-10-24T12:00",
        ["2026-10-25T01:30:00+01:00", "2026-10-26T01:30:00+00:00"],
    ),
    "a day that never was runs at the next midnight": (
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00",
        [
            "2011-12-29T09:00:00-10:00",
            "2011-12-31T00:00:00+14:00",
            "2011-12-31T09:00:00+14:00",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ticks_across_a_clock_change(case: str) -> None:
    cron, zone, before, wanted = CASES[case]
    moment = datetime.fromisoformat(before).replace(tzinfo=UTC)
    ticks = Calendar(cron, None, zone, ANCHOR).upcoming(moment, len(wanted))
    assert [t.astimezone(ZoneInfo(zone)).isoformat() for t in ticks] == wanted


@given(
    minutes=st.integers(0, 366 * 24 * 60),
    zone=st.sampled_from(
        ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Pacific/Chatham"]
    ),
    cron=st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 * * * *", "5 1 * * 0"]),
)
def test_wherever_one_starts_the_ticks_are_the_same(
    minutes: int, zone: str, cron: str
) -> None:
    calendar = Calendar(cron, None, zone, ANCHOR)
    ticks = calendar.upcoming(ANCHOR + timedelta(minutes=minutes), 6)
    assert all(a < b for a, b in pairwise(ticks))
    assert [calendar.next_after(tick) for tick in ticks[:-1]] == ticks[1:]


@given(every=st.floats(1, 1e6), seconds=st.floats(0, 1e7))
def test_an_interval_counts_from_its_anchor(every: float, seconds: float) -> None:
    moment = ANCHOR + timedelta(seconds=seconds)
    calendar = Calendar(None, every, "UTC", ANCHOR)
    first, second = calendar.upcoming(moment, 2)
    assert moment < first <= moment + timedelta(seconds=every + 1e-5)
    assert (second - first).total_seconds() == pytest.approx(every, abs=1e-4)


def test_the_last_tick_of_a_long_absence_is_found() -> None:
    calendar = Calendar("*/5 * * * *", None, "Europe/Berlin", ANCHOR)
    until = datetime(2026, 10, 25, 1, 3, tzinfo=UTC)
    last = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert calendar.last_until(ANCHOR, until) == last
    daily = Calendar(None, 86_400.0, "UTC", ANCHOR)
    assert daily.last_until(ANCHOR, until) == datetime(2026, 10, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 31 2 *", "@daily"]
)
def test_what_is_no_moment_is_refused(cron: str) -> None:
    assert fault_of_cron(cron) is not None


def test_zones_have_names() -> None:
    assert fault_of_zone("Europe/Berlin") is None
    for name in ("Mars/Base", "", "../../etc/passwd", "/etc/localtime"):
        assert fault_of_zone(name) is not None
