"""The measures of "Pollock: A Data Loading Benchmark" (VLDB 2023), section 4.

A loaded file is compared with its clean one: whether it was loaded at all, and for the
header, the records and the cells the precision, recall and F1 of two multisets. The
ten measures of a file sum up to at most 10. The simple score is their mean over files;
the weighted one counts each file as often as its pollution occurs in real files.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Rows = Sequence[Sequence[str]]
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TRUE, _FALSE = ("true", "1"), ("false", "0")


def normalised(cell: str) -> str:
    """Return a cell so that two ways to write one value are equal."""
    text = " ".join(cell.split())
    if text.lower() in _TRUE:
        return "1"
    if text.lower() in _FALSE:
        return "0"
    return f"{float(text):.12g}" if _NUMBER.fullmatch(text) else text


def overlap(clean: Iterable[str], loaded: Iterable[str]) -> float:
    """Return precision + recall + F1 of two multisets, 3 where they are equal."""
    wanted, found = Counter(clean), Counter(loaded)
    if not wanted:
        return 3.0
    common = (wanted & found).total()
    if not common:
        return 0.0
    precision, recall = common / found.total(), common / wanted.total()
    return precision + recall + 2 * precision * recall / (precision + recall)


def score(clean: Rows, loaded: Rows | None) -> float:
    """Return the sum of the ten measures of one file.

    Args:
        loaded: Its rows, header first; None where the system failed.
    """
    if loaded is None:
        return 0.0
    if not clean:
        return 10.0
    header = overlap(
        map(normalised, clean[0]), map(normalised, loaded[0] if loaded else [])
    )
    records = overlap(_records(clean), _records(loaded))
    cells = overlap(
        (cell for row in clean for cell in row),
        (cell for row in loaded for cell in row),
    )
    return 1.0 + header + records + cells


def _records(rows: Rows) -> list[str]:
    return ["".join(map(normalised, row)) for row in rows[1:]]


def simple(scores: Mapping[str, float]) -> float:
    """Return the mean over all files."""
    return sum(scores.values()) / len(scores)


def weighted(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return the mean, each file counted by its weight."""
    total = sum(weights[name] for name in scores)
    return sum(score * weights[name] for name, score in scores.items()) / total
