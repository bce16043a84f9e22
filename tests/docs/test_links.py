"""Links lead to a file of the repository and to a heading in it."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_of_a_page_resolve(page: Path) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} leads nowhere"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target} names no heading"


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in links(page):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and DOCS in file.parents:
                waiting.append(file)
    assert not set(DOCS.rglob("*.md")) - reached


def test_decisions_are_numbered_without_gaps_or_repeats() -> None:
    names = sorted(p.name for p in (DOCS / "decisions").glob("*.md"))
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_decisions_named_in_the_code_exist() -> None:
    numbers = {p.name[:4] for p in (DOCS / "decisions").glob("*.md")}
    for source in [*(ROOT / "src").rglob("*.py"), ROOT / "pyproject.toml"]:
        for number in re.findall(r"docs/decisions/(\d{4})", source.read_text("utf-8")):
            assert number in numbers, f"{source.name} names decision {number}"


def test_changelog_fragments_are_named_after_what_they_tell() -> None:
    kinds = "added|changed|deprecated|removed|fixed|security"
    for fragment in (ROOT / "changelog.d").glob("*.md"):
        assert re.fullmatch(rf"\d+\.({kinds})(\.\d+)?\.md", fragment.name)
        assert fragment.read_text("utf-8").strip().endswith(".")
