"""The pages of the repository and their links."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*DOCS.rglob("*.md"), *ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md"],
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def read(name: str) -> str:
    """The text of a page below docs/."""
    return (DOCS / name).read_text("utf-8")


def links(page: Path) -> list[str]:
    """Targets of the links of a page, code blocks left out."""
    return _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """Anchors that the headings of a page make."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return {_slug(heading) for heading in _HEADING.findall(text)}


def headings(text: str, level: int) -> list[str]:
    """Headings of one level, code marks removed."""
    found = re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)
    return [heading.replace("`", "").strip() for heading in found]


def _slug(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", ""))
    return kept.strip().replace(" ", "-")
