from hypothesis import given
from hypothesis.strategies import characters, integers, text

from foretell.auth import opaque


def test_an_api_key_has_the_documented_shape() -> None:
    key_id, key = opaque.new_api_key()
    assert len(key_id) == 10
    assert len(key) == 4 + 10 + 1 + 43 + 6
    assert key.startswith(f"ftl_{key_id}_")
    assert opaque.find_key_id(key) == key_id


@given(integers(4, 63), characters(codec="ascii"))
def test_f06_a_changed_character_breaks_the_checksum(place: int, other: str) -> None:
    _, key = opaque.new_api_key()
    changed = key[:place] + other + key[place + 1 :]
    assert changed == key or opaque.find_key_id(changed) is None


@given(text())
def test_no_text_breaks_the_parser(anything: str) -> None:
    assert opaque.find_key_id(anything) is None
    assert opaque.find_key_id(f"ftl_{anything}") is None
    assert not opaque.is_refresh_token(anything)


def test_a_successor_is_the_same_each_time_and_another_with_another_key() -> None:
    token = opaque.new_refresh_token()
    successor = opaque.successor_of(token, b"k" * 32)
    assert opaque.is_refresh_token(successor)
    assert successor == opaque.successor_of(token, b"k" * 32)
    assert successor not in (token, opaque.successor_of(token, b"x" * 32))


def test_a_setup_code_counts_as_people_type_it() -> None:
    code = opaque.new_setup_code()
    typed = f" {code.lower().replace('-', '')} "
    wanted = opaque.code_digest("setup", code, b"k")
    assert opaque.code_digest("setup", typed, b"k") == wanted
    assert opaque.code_digest("reset", code, b"k") != wanted
