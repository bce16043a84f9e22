"""docs/coverage.md has every requirement, with a state and places that exist."""

import re

import pytest

from tests.docs.pages import ROOT, read

ROWS = [f"D{n}" for n in range(1, 88)] + [f"R{n}" for n in range(1, 68)]
STATES = ("done", "part", "later", "not ours")


def table() -> dict[str, list[str]]:
    """Cells of each row: what, state, code, test."""
    found = {}
    for line in read("coverage.md").splitlines():
        if match := re.match(r"\| ([DR]\d+) \|", line):
            found[match[1]] = [cell.strip() for cell in line.split("|")[2:-1]]
    return found


def test_every_requirement_has_one_row_in_order() -> None:
    assert list(table()) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_its_state_and_what_is_done_names_code_and_test(row: str) -> None:
    _, state, code, test = table()[row]
    assert state.startswith(STATES), state
    if state.startswith("done"):
        assert code, "done, but no code named"
        assert test, "done, but no test named"
    for path, anchor in re.findall(r"\]\(\.\./([^)#]+)#?([^)]*)\)", code + test):
        file = ROOT / path
        assert file.exists(), path
        if anchor:
            assert re.search(rf"\b(def|class) {anchor}\b", file.read_text("utf-8"))
