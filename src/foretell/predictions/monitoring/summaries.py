"""Adds up what the processes counted of a version, and compares it with the example."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import msgspec

from foretell.models.baselines import Baseline, Bins
from foretell.predictions.monitoring.counting import LATENCY_ENDS, Counted, merged
from foretell.predictions.monitoring.drift import Drift, compare

# Of wide models a day tells the columns that moved most in the whole window.
DAILY_COLUMNS = 50
_decoder = msgspec.json.Decoder(Counted)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from body to answer; percentiles are read from the histogram."""

    mean: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    histogram: dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows in one bin, of calls and of the example.

    Attributes:
        kind: `range` (above `low`, at most `high`), `value`, `other` or `missing`.
    """

    kind: str
    count: int
    expected: int | None
    low: float | None = None
    high: float | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class Distribution:
    """The values of one column in a window."""

    name: str
    type: str
    rows: int
    reference_rows: int
    psi: float | None
    noise: float | None
    level: str
    note: str | None
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Day:
    """One day with calls."""

    day: date
    calls: int
    errors: int
    rows: int
    p50: float | None
    p99: float | None
    predictions: dict[str, float | None]
    drift: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a version did in a window."""

    calls: int
    errors: int
    errors_by_problem: dict[str, int]
    rows: int
    latency_ms: Latency
    predictions: list[Distribution]
    drift: list[Distribution]
    days: list[Day]


def summarise(found: Iterable[tuple[date, str]], baseline: Baseline) -> Summary:
    """The figures of a window.

    Args:
        found: Day and content of each stored row, by day.
    """
    days = [
        (day, merged((_decoder.decode(text) for _, text in rows), baseline))
        for day, rows in groupby(found, key=itemgetter(0))
    ]
    whole = merged((counted for _, counted in days), baseline)
    predictions = _distributions(baseline.outputs, whole.outputs)
    drift = _distributions(baseline.inputs, whole.inputs)
    moved = sorted(drift, key=lambda one: -(one.psi or 0))[:DAILY_COLUMNS]
    names = {one.name for one in moved}
    return Summary(
        calls=whole.calls,
        errors=whole.failures,
        errors_by_problem=whole.errors,
        rows=whole.rows,
        latency_ms=_latency(whole),
        predictions=predictions,
        drift=drift,
        days=[_day(day, counted, baseline, names) for day, counted in days],
    )


def _day(day: date, counted: Counted, baseline: Baseline, names: set[str]) -> Day:
    return Day(
        day=day,
        calls=counted.calls,
        errors=counted.failures,
        rows=counted.rows,
        p50=percentile(counted.latencies, 0.5),
        p99=percentile(counted.latencies, 0.99),
        predictions=_psis(baseline.outputs, counted.outputs),
        drift={
            name: value
            for name, value in _psis(baseline.inputs, counted.inputs).items()
            if name in names
        },
    )


def _psis(
    bins: Sequence[Bins], counts: Sequence[Sequence[int]]
) -> dict[str, float | None]:
    return {
        one.name: _rounded(compare(one.counts, counted).psi)
        for one, counted in zip(bins, counts, strict=True)
    }


def _distributions(
    bins: Sequence[Bins], counts: Sequence[Sequence[int]]
) -> list[Distribution]:
    return [
        _distribution(one, counted, compare(one.counts, counted))
        for one, counted in zip(bins, counts, strict=True)
    ]


def _distribution(bins: Bins, counts: Sequence[int], drift: Drift) -> Distribution:
    expected: Sequence[int | None] = bins.counts or [None] * bins.size
    described = _ranges(bins) if bins.kind == "number" else _values(bins)
    return Distribution(
        name=bins.name,
        type=bins.kind,
        rows=sum(counts),
        reference_rows=sum(bins.counts),
        psi=_rounded(drift.psi),
        noise=_rounded(drift.noise),
        level=drift.level,
        note=drift.note,
        bins=[
            Bin(count=count, expected=wanted, **shown)
            for count, wanted, shown in zip(counts, expected, described, strict=True)
        ],
    )


def _ranges(bins: Bins) -> list[Mapping[str, Any]]:
    ends = [None, *bins.edges, None]
    pairs = pairwise(ends)
    ranges = [{"kind": "range", "low": low, "high": high} for low, high in pairs]
    return [*ranges, {"kind": "missing"}]


def _values(bins: Bins) -> list[Mapping[str, Any]]:
    values = [{"kind": "value", "value": value} for value in bins.values]
    return [*values, {"kind": "other"}, {"kind": "missing"}]


def _latency(counted: Counted) -> Latency:
    answered = sum(counted.latencies)
    mean = counted.seconds / answered * 1000 if answered else None
    used = [index for index, count in enumerate(counted.latencies) if count]
    first, last = (used[0], used[-1]) if used else (0, -1)
    ends = [*LATENCY_ENDS, math.inf][first : last + 1]
    return Latency(
        mean=_rounded(mean),
        p50=percentile(counted.latencies, 0.5),
        p90=percentile(counted.latencies, 0.9),
        p99=percentile(counted.latencies, 0.99),
        histogram={
            "upper": [_rounded(end * 1000) if end < math.inf else None for end in ends],
            "counts": counted.latencies[first : last + 1],
        },
    )


def percentile(latencies: Sequence[int], share: float) -> float | None:
    """Milliseconds that this share of the calls took at most, read from the bins.

    Within a bin the calls are taken to lie evenly, so that the value is off by less
    than the bin's width: half of its lower end.
    """
    wanted = share * sum(latencies)
    if not wanted:
        return None
    before, low = 0, 0.0
    for count, high in zip(latencies, (*LATENCY_ENDS, LATENCY_ENDS[-1]), strict=True):
        if count and before + count >= wanted:
            return _rounded((low + (high - low) * (wanted - before) / count) * 1000)
        before, low = before + count, high
    return _rounded(low * 1000)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
