"""The messy file says the truth about itself."""

import csv
from pathlib import Path

import pytest

from foretell.demo import messy


@pytest.mark.parametrize("records", [1_000, 1_377, 5_000])
def test_the_file_has_the_rows_and_bad_lines_it_says(
    tmp_path: Path, records: int
) -> None:
    file = messy.write(tmp_path / "m.csv", records)
    lines = file.path.read_bytes().decode("gb18030").split("\r\n")
    assert lines.pop() == ""
    header, *rows = lines
    assert header.startswith("species;中文名;island;")
    assert len(rows) == records
    assert len(file.bad_lines) == 12
    assert sum(file.sources) == records - 12
    for number, row in enumerate(rows, start=2):
        is_bad = number in file.bad_lines
        assert _is_good(row) is not is_bad, row


def _is_good(row: str) -> bool:
    cells = next(csv.reader([row], delimiter=";", strict=False))
    if len(cells) != 9:
        return False
    numbers = [*cells[3:7], cells[8]]
    return all(c == "NA" or c.replace(".", "", 1).isdigit() for c in numbers)


def test_the_table_is_the_published_one() -> None:
    text = (Path(messy.__file__).parent / "penguins.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    species = [row["species"] for row in rows]
    assert len(rows) == 344
    assert {s: species.count(s) for s in set(species)} == {
        "Adelie": 152,
        "Gentoo": 124,
        "Chinstrap": 68,
    }
