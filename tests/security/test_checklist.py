"""Every line of the checklist has a test that is named by it.

The list stands in docs/explanation/identity.md, where operators read it.
"""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, read

PAGE = "explanation/identity.md"
# The letters of this page, and how many lines each has.
LETTERS = {"A": 20, "B": 16, "C": 10, "D": 4, "E": 10, "F": 7, "G": 10, "J": 7}
WAITING = {"J04"}
FOLDERS = (
    Path(__file__).parent,
    ROOT / "tests" / "acceptance" / "test_matrix.py",
)
LINES = [
    f"{letter}{n:02}" for letter, last in LETTERS.items() for n in range(1, last + 1)
]


def told() -> dict[str, str]:
    """The lines of the page by their ids."""
    return dict(re.findall(r"^\| ([A-J]\d\d) \| (.+?) \|$", read(PAGE), re.MULTILINE))


def ids_in_tests() -> set[str]:
    """Ids in the names of tests that go over HTTP."""
    found: set[str] = set()
    for place in FOLDERS:
        for file in [place] if place.is_file() else place.glob("test_*.py"):
            names = re.findall(r"^def test_(\w+)\(", file.read_text("utf-8"), re.M)
            for name in names:
                ids = re.match(r"(?:[a-m]\d\d_)+", name)
                found |= set(ids[0].upper().strip("_").split("_")) if ids else set()
    return found


def test_the_page_has_each_line_once_in_order() -> None:
    assert list(told()) == LINES


@pytest.mark.parametrize("line", LINES)
def test_a_line_has_a_test_of_its_name(line: str) -> None:
    if line in WAITING:
        assert told()[line].startswith("Not built yet")
        return
    assert line in ids_in_tests(), f"no test_{line.lower()}_… in tests/security"
