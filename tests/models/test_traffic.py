"""Calls are split by weight, the same key meets the same version."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from foretell.models.traffic import Traffic


def split(weights: dict[int, int], shadow: list[int] | None = None) -> Traffic:
    routes = [{"version": v, "weight": w} for v, w in weights.items()]
    found = Traffic.of({"routes": routes, "shadow": shadow or []})
    assert found is not None
    return found


def test_keys_are_split_as_the_weights_say() -> None:
    traffic = split({4: 10, 3: 90})
    found = Counter(traffic.choose(f"user-{n}") for n in range(20_000))
    assert 0.09 < found[4] / 20_000 < 0.11
    assert found[3] + found[4] == 20_000


def test_calls_without_a_key_are_split_by_chance() -> None:
    traffic = split({1: 1, 2: 1})
    found = Counter(traffic.choose(None) for _ in range(4_000))
    assert 1_700 < found[1] < 2_300


def test_when_weights_move_the_other_keys_keep_their_version() -> None:
    keys = [f"user-{n}" for n in range(5_000)]
    before, after = split({1: 90, 2: 10}), split({1: 80, 2: 20})
    moved = [k for k in keys if before.choose(k) != after.choose(k)]
    assert {before.choose(k) for k in moved} == {1}
    assert 0.08 < len(moved) / 5_000 < 0.12


@given(
    st.dictionaries(st.integers(1, 50), st.integers(0, 1_000), min_size=1, max_size=9),
    st.text(),
)
def test_a_version_without_weight_is_never_met(
    weights: dict[int, int], key: str
) -> None:
    traffic = split(weights, [7])
    chosen, again = traffic.choose(key), traffic.choose(key)
    assert chosen == again
    assert (chosen is None) == (not any(weights.values()))
    assert chosen is None or weights[chosen] > 0
    assert traffic.shadows == (7,)


def test_no_split_is_none() -> None:
    assert Traffic.of(None) is None
