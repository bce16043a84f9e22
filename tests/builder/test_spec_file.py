"""A spec file is refused with the key, the line and the nearest name."""

from pathlib import Path

import pytest

from foretell.builder.errors import SpecInvalid
from foretell.builder.spec_file import line_of, read_spec

GOOD = """\
description = "A shop."

[resources.customer]
fields = { email = "str!", name = "str" }

[resources.order.fields]
customer = "ref:customer"

[tasks.tidy_up]

[schedules.nightly]
task = "tidy_up"
cron = "0 3 * * *"

[datasets.sales]
file = "sales.csv"
"""


def faults(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    path = tmp_path / "backend.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SpecInvalid) as refused:
        read_spec(path)
    return [(fault.pointer, fault.message) for fault in refused.value.errors]


def test_a_spec_is_read_with_the_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "backend.toml").write_text(GOOD)
    (tmp_path / "sales.csv").write_bytes(b"a\n1\n")
    spec, attachments = read_spec(tmp_path / "backend.toml")
    assert list(spec.resources) == ["customer", "order"]
    assert {str(path) for path in attachments} == {"backend.toml", "sales.csv"}


@pytest.mark.parametrize(
    ("old", "new", "pointer", "words"),
    [
        (
            "[tasks.tidy_up]",
            "[task.tidy_up]",
            "/task",
            "line 9: no such key; did you mean tasks?",
        ),
        (
            "cron =",
            "crom =",
            "/schedules/nightly/crom",
            "line 13: no such key; did you mean cron?",
        ),
        (
            "0 3 * * *",
            "0 25 * * *",
            "/schedules/nightly/cron",
            "line 13: is no cron rule",
        ),
        ('"ref:customer"', '"ref:custmer"', "/", "customer:ref:custmer"),
        (
            'name = "str"',
            'name = "string"',
            "/resources/customer/fields",
            "did you mean str?",
        ),
        (
            "[resources.order.fields]",
            "[resources.user.fields]",
            "/resources",
            "Foretell itself has users",
        ),
        ('"sales.csv"', '"../sales.csv"', "/datasets/sales/file", "line 16"),
    ],
)
def test_a_fault_names_its_key_and_line(
    tmp_path: Path, old: str, new: str, pointer: str, words: str
) -> None:
    found = faults(tmp_path, GOOD.replace(old, new))
    assert any(p == pointer and words in message for p, message in found), found


def test_what_is_no_toml_names_the_line(tmp_path: Path) -> None:
    ((_, message),) = faults(tmp_path, "a = 1\nb = \n")
    assert "line 2" in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid):
        read_spec(tmp_path / "no.toml")


def test_resources_in_a_circle_are_refused(tmp_path: Path) -> None:
    text = '[resources.a.fields]\nb = "ref:b?"\n[resources.b.fields]\na = "ref:a?"\n'
    ((_, message),) = faults(tmp_path, text)
    assert "refer to each other" in message


def test_a_line_is_that_of_the_key_or_of_the_table_around_it() -> None:
    assert line_of(GOOD, ["schedules", "nightly", "cron"]) == 13
    assert line_of(GOOD, ["schedules", "nightly", "nothing"]) == 11
    assert line_of(GOOD, ["nothing"]) is None
