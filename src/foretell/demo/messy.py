"""A messy file made of the real table: what people send.

Semicolons for commas, GB18030 for UTF-8, Chinese names, and twelve rows that no
reader can take: too many cells, too few, words and units where numbers belong, an
unclosed quote. The line of each is known, so that the demo can compare.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

ENCODING = "gb18030"
CHINESE_NAMES = {
    "Adelie": "阿德利企鹅",
    "Chinstrap": "帽带企鹅",
    "Gentoo": "巴布亚企鹅",
}
TYPES = {
    "bill_length_mm": "float",
    "bill_depth_mm": "float",
    "flipper_length_mm": "integer",
    "body_mass_g": "integer",
    "year": "integer",
}
_BAD_ROWS = (
    "Adelie;阿德利企鹅;Torgersen;39.1mm;18.7;181;3750;male;2007",
    "Adelie;阿德利企鹅;Torgersen;39.5;17.4;186;heavy;female;2007",
    "Adelie;阿德利企鹅;Torgersen;40.3;18;195;3250;female;2007;extra",
    "Gentoo;巴布亚企鹅;Biscoe;46.1;13.2;211",
    "Gentoo;巴布亚企鹅;Biscoe;50;16.3;230;5700;male;20O8",
    "Gentoo;巴布亚企鹅;Biscoe;48.7;14.1;two hundred;4450;female;2007",
    "Chinstrap;帽带企鹅;Dream;46.5;17.9;192;3500;female;2007;;",
    "Chinstrap;帽带企鹅;Dream;50;19.5;196;3900",
    "Chinstrap;帽带企鹅;Dream;51.3;19.2;193;3.65 kg;male;2007",
    "Adelie;阿德利企鹅;Dream;37.2;18.1;178;3900;male;n. d.",
    'Adelie;"阿德利企鹅;Dream;39.5;16.7;178;3250;female;2007',
    "Gentoo;巴布亚企鹅;Biscoe;45.4;14.6;211;4800;female;2007;?;?",
)


@dataclass(frozen=True, slots=True)
class MessyFile:
    """What was written.

    Attributes:
        records: Rows of the file, bad ones included, the header not.
        bad_lines: Lines of the bad rows, from 1, the header included.
        sources: For each row of the table, how often it stands in the file.
    """

    path: Path
    records: int
    bad_lines: tuple[int, ...]
    sources: tuple[int, ...]


def write(path: Path, records: int) -> MessyFile:
    """Write the table over and over until the file has `records` rows."""
    header, rows = _table()
    lines = [(";".join(row) + "\r\n").encode(ENCODING) for row in rows]
    bad = [(row + "\r\n").encode(ENCODING) for row in _BAD_ROWS]
    # Spread over the whole file, none among the first rows, from which readers guess.
    every = records // (len(bad) + 1)
    counts = [0] * len(lines)
    bad_lines: list[int] = []
    with path.open("wb") as file:
        file.write((";".join(header) + "\r\n").encode(ENCODING))
        source = 0
        for number in range(1, records + 1):
            if number % every == 0 and len(bad_lines) < len(bad):
                file.write(bad[len(bad_lines)])
                bad_lines.append(number + 1)
                continue
            file.write(lines[source])
            counts[source] += 1
            source = (source + 1) % len(lines)
    return MessyFile(path, records, tuple(bad_lines), tuple(counts))


def _table() -> tuple[list[str], list[list[str]]]:
    text = (files("foretell.demo") / "penguins.csv").read_text("utf-8")
    header, *rows = csv.reader(io.StringIO(text))
    return list(_with_name(header, "中文名")), [
        list(_with_name(row, CHINESE_NAMES[row[0]])) for row in rows
    ]


def _with_name(row: list[str], name: str) -> Iterator[str]:
    yield row[0]
    yield name
    yield from row[1:]
