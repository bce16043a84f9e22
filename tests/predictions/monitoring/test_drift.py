"""The population stability index, against hand-made and other people's figures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, entropy

from foretell.predictions.monitoring.drift import compare, noise, psi

COUNTS = st.lists(st.integers(1, 10_000), min_size=2, max_size=12)


def test_the_index_is_what_a_calculator_says() -> None:
    # Shares 0.5, 0.3, 0.2 against 0.25, 0.25, 0.5:
    #   (0.25 - 0.5) ln(0.25 / 0.5)  =  0.173286795
    #   (0.25 - 0.3) ln(0.25 / 0.3)  =  0.009116078
    #   (0.5 - 0.2) ln(0.5 / 0.2)    =  0.274887220
    assert psi([50, 30, 20], [5, 5, 10]) == pytest.approx(0.457290093, abs=1e-9)


def test_an_empty_bin_counts_as_half_a_row() -> None:
    expected = (0.1 - 0.005) * math.log(0.1 / 0.005) + (0.9 - 1.0) * math.log(0.9)
    assert psi([0, 100, 0], [10, 90, 0]) == pytest.approx(expected, abs=1e-12)


@given(COUNTS, st.data())
def test_it_is_the_symmetric_divergence_of_scipy(
    expected: list[int], data: st.DataObject
) -> None:
    size = len(expected)
    actual = data.draw(st.lists(st.integers(1, 10_000), min_size=size, max_size=size))
    both = entropy(actual, expected) + entropy(expected, actual)
    assert psi(expected, actual) == pytest.approx(both, abs=1e-9)
    assert psi(actual, expected) == pytest.approx(psi(expected, actual), abs=1e-12)


@given(COUNTS, st.integers(2, 9))
def test_the_same_shares_are_no_drift(counts: list[int], times: int) -> None:
    assert psi(counts, [count * times for count in counts]) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize("bins", [2, 3, 5, 11, 50])
def test_noise_is_the_quantile_of_scipy(bins: int) -> None:
    wanted = chi2.ppf(0.95, bins - 1) * (1 / 800 + 1 / 300)
    assert noise(bins, 800, 300) == pytest.approx(wanted, rel=0.03)


def test_two_samples_of_one_distribution_seldom_exceed_the_noise() -> None:
    random = np.random.default_rng(7)
    shares = np.full(10, 0.1)
    limit = noise(10, 1000, 1000)
    samples = random.multinomial(1000, shares, size=(2, 2000))
    over = sum(psi(a, b) > limit for a, b in zip(*samples.tolist(), strict=True))
    assert 0.03 < over / 2000 < 0.07


@pytest.mark.parametrize(
    ("expected", "actual", "level", "noted"),
    [
        ([], [5, 5], "unclear", True),
        ([5, 5], [0, 0], "unclear", True),
        ([1000, 1000], [980, 1020], "stable", False),
        ([1000, 1000], [660, 1340], "moderate", False),
        ([1000, 1000], [300, 1700], "major", False),
        ([8, 8], [3, 5], "unclear", True),
    ],
)
def test_a_judgement_says_when_the_sample_is_too_small(
    expected: list[int], actual: list[int], level: str, noted: bool
) -> None:
    drift = compare(expected, actual)
    assert drift.level == level
    assert bool(drift.note) is noted
