"""README.zh-CN.md says what README.md says: same blocks, same parts, same links."""

import re

from tests.docs.pages import PAGES, ROOT, headings, links

ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"


def blocks(name: str) -> list[str]:
    text = (ROOT / name).read_text("utf-8")
    return re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)


def inline(name: str) -> list[str]:
    """Commands and names in the text, code blocks left out."""
    text = (ROOT / name).read_text("utf-8")
    return re.findall(
        r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    )


def test_the_command_blocks_are_the_same_byte_for_byte() -> None:
    assert blocks(ENGLISH.name)
    assert blocks(CHINESE.name) == blocks(ENGLISH.name)


def test_the_commands_in_the_text_are_the_same() -> None:
    assert sorted(inline(CHINESE.name)) == sorted(inline(ENGLISH.name))


def test_there_is_a_part_for_each_part() -> None:
    for level in (1, 2, 3):
        counts = {
            page.name: len(headings(page.read_text("utf-8"), level))
            for page in (ENGLISH, CHINESE)
        }
        assert len(set(counts.values())) == 1, counts


def test_each_list_has_the_same_number_of_points() -> None:
    counts = [
        len(re.findall(r"^- ", page.read_text("utf-8"), re.MULTILINE))
        for page in (ENGLISH, CHINESE)
    ]
    assert counts[0] == counts[1]


def test_both_lead_to_the_same_pages_and_to_each_other() -> None:
    english, chinese = links(ENGLISH), links(CHINESE)
    assert CHINESE.name in english
    assert ENGLISH.name in chinese
    assert set(english) - {CHINESE.name} == set(chinese) - {ENGLISH.name}


def test_the_translation_is_one_of_the_pages_whose_links_are_checked() -> None:
    assert CHINESE in PAGES
