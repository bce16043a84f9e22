"""Faults planted in a larger file, at known lines: each is found, no good row is lost."""

import random

import pytest

from foretell.tabular import records

FAULTS = {
    "too_few_cells": lambda n: f"{n},short".encode(),
    "too_many_cells": lambda n: f"{n},a,b,2024-01-01,extra".encode(),
    "stray_quote": lambda n: f'{n},"stray"quote,b,2024-01-01'.encode(),
    "unclosed_quote": lambda n: f'{n},"unclosed,b,2024-01-01'.encode(),
    "nul_byte": lambda n: f"{n},a\x00b,c,2024-01-01".encode(),
    "bad_encoding": lambda n: f"{n},caf".encode() + b"\xe9,b,2024-01-01",
    "invalid_integer": lambda n: f"x{n},a,b,2024-01-01".encode(),
    "invalid_date": lambda n: f"{n},a,b,2024-13-01".encode(),
}


def _good(n: int, chance: random.Random) -> bytes:
    text = chance.choice(["plain", "é 🙂", '"a, b"', '"say ""hi"""', '"two\nlines"'])
    note = chance.choice(["x", "", '""'])
    return f"{n},{text},{note},2024-01-{n % 28 + 1:02d}".encode()


@pytest.mark.parametrize("block", [1 << 10, 16 << 20])
def test_every_planted_fault_is_found_at_its_line(import_bytes, monkeypatch, block):
    monkeypatch.setattr(records, "_BLOCK", block)
    chance = random.Random(block)  # noqa: S311
    lines, good, faults, line = [b"id,text,note,day"], [], [], 2
    for n in range(6000):
        code = chance.choice(sorted(FAULTS)) if chance.random() < 0.01 else None
        record = _good(n, chance) if code is None else FAULTS[code](n)
        lines.append(record)
        faults.append((line, n + 1, code)) if code else good.append(n)
        line += 1 + record.count(b"\n")
    found = import_bytes(
        b"\r\n".join(lines), types={"id": "integer", "day": "date"}, delimiter=","
    )
    assert [(r["line"], r["record"], r["code"]) for r in found.rejects] == faults
    assert found.frame["id"].to_list() == good
    assert found.result.records == 6000
