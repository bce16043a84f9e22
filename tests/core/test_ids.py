"""Ids grow with time; names are what the contract says."""

from hypothesis import given
from hypothesis.strategies import text

from foretell.core.ids import is_name, new_id, slug_of


def test_ids_are_uuid7_and_grow():
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(i[14] == "7" and i[19] in "89ab" for i in ids)
    assert [i[:18] for i in ids] == sorted(i[:18] for i in ids)


@given(text())
def test_the_slug_of_any_file_name_is_a_name(file_name):
    assert is_name(slug_of(file_name))


def test_names_have_no_capitals_spaces_or_line_ends():
    assert is_name("a")
    assert is_name("9_x-y" + "z" * 58)
    for wrong in ("", "-a", "A", "a b", "a\n", "z" * 64, "ä"):
        assert not is_name(wrong)
