"""Names of columns: required ones, however a file spells them."""

import pytest

from foretell.tabular.errors import ColumnsMissing
from foretell.tabular.headers import with_required


def test_a_required_column_takes_the_name_it_is_asked_by():
    assert with_required(["ID", "Name", "x"], ["id", "name"]) == ["id", "name", "x"]


def test_the_very_name_wins_over_another_spelling():
    assert with_required(["Email", "email"], ["email"]) == ["Email", "email"]


def test_all_that_are_missing_are_named_with_all_that_are_there():
    with pytest.raises(ColumnsMissing, match=r"name, email. The file has: id, mail.$"):
        with_required(["id", "mail"], ["id", "name", "email"])


def test_nothing_required_changes_nothing():
    assert with_required(["A", "b"], []) == ["A", "b"]
