"""How far the values of calls are from those of the example rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MODERATE, MAJOR = 0.1, 0.25
# A row for a bin that is empty on one side only, whose logarithm would be infinite.
_HALF_ROW = 0.5
_NORMAL_95 = 1.6448536269514722

Level = Literal["stable", "moderate", "major", "unclear"]


@dataclass(frozen=True, slots=True)
class Drift:
    """The distance of one column from its reference.

    Attributes:
        psi: `None` where one side has no rows.
        noise: The PSI that chance alone exceeds once in twenty times.
        note: Why `level` is `unclear`.
    """

    psi: float | None
    noise: float | None
    level: Level
    note: str | None = None


def psi(expected: Sequence[int], actual: Sequence[int]) -> float:
    """The population stability index of two histograms over the same bins.

    Args:
        expected, actual: Rows in each bin, missing values being a bin like others; both
            have at least one row. A bin that is empty in one of them counts as half a
            row there; one that is empty in both is left out.

    Returns:
        Sum over the bins of (a - e) ln(a / e), with e and a the shares of the rows that
        are in the bin. 0 for equal shares, without unit, without upper bound; the same
        when the two are exchanged.

    Source:
        N. Siddiqi, "Credit Risk Scorecards", Wiley, 2006, chapter on scorecard
        reports, which calls 0.1 and 0.25 the marks of a slight and of a significant
        change. It is the symmetric divergence of S. Kullback and R. Leibler, "On
        Information and Sufficiency", Annals of Mathematical Statistics 22(1), 1951.
    """
    rows_expected, rows_actual = sum(expected), sum(actual)
    total = 0.0
    for one, other in zip(expected, actual, strict=True):
        if one or other:
            e = (one or _HALF_ROW) / rows_expected
            a = (other or _HALF_ROW) / rows_actual
            total += (a - e) * math.log(a / e)
    return total


def noise(bins: int, expected_rows: int, actual_rows: int) -> float:
    """The PSI that two samples of one distribution exceed once in twenty times.

    Args:
        bins: Those that hold rows.
        expected_rows, actual_rows: Sizes of the samples, at least 1.

    Returns:
        (1/n + 1/m) times the 95 % quantile of chi square with bins - 1 degrees of
        freedom; the quantile by the approximation of Wilson and Hilferty, within 3 %.

    Source:
        B. Yurdakul and J. Naranjo, "Statistical Properties of the Population Stability
        Index", Journal of Risk Model Validation 14(4), 2020; E. Wilson and
        M. Hilferty, "The Distribution of Chi-Square", PNAS 17(12), 1931.
    """
    freedom = bins - 1
    if freedom < 1:
        return 0.0
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + _NORMAL_95 * math.sqrt(spread)) ** 3
    return (1 / expected_rows + 1 / actual_rows) * quantile


def compare(expected: Sequence[int], actual: Sequence[int]) -> Drift:
    """Judge a column.

    Args:
        expected: Rows of the example in each bin; empty or all 0 without an example.
        actual: Rows of calls in each bin.
    """
    if not sum(expected):
        return Drift(None, None, "unclear", "There is no example to compare with.")
    if not sum(actual):
        return Drift(None, None, "unclear", "No row was seen.")
    used = sum(1 for one, other in zip(expected, actual, strict=True) if one or other)
    found = psi(expected, actual)
    limit = noise(used, sum(expected), sum(actual))
    if found <= limit and (found >= MODERATE or limit >= MAJOR):
        note = (
            f"Too few rows: with {sum(expected):,} of the example and {sum(actual):,} "
            f"of calls, chance alone gives up to {limit:.2f}."
        )
        return Drift(found, limit, "unclear", note)
    return Drift(found, limit, _level(found))


def _level(found: float) -> Level:
    if found < MODERATE:
        return "stable"
    return "major" if found >= MAJOR else "moderate"
