"""Upper and lower case as polars has it, for Python's own texts.

Both follow the full Unicode mappings, but of different years: Python 3.11 knows
Unicode 14, polars 2.1 knows 17. The pairs added in between stand here, so that every
Python gives the same answer. A test compares all code points with polars.
"""

_PAIRS = (
    # first lower, first upper, how many follow one another
    (0x019B, 0xA7DC, 1),
    (0x0264, 0xA7CB, 1),
    (0x1C8A, 0x1C89, 1),
    (0xA7CD, 0xA7CC, 1),
    (0xA7CF, 0xA7CE, 1),
    (0xA7D3, 0xA7D2, 1),
    (0xA7D5, 0xA7D4, 1),
    (0xA7DB, 0xA7DA, 1),
    (0x10D70, 0x10D50, 22),  # Garay
    (0x16EBB, 0x16EA0, 25),  # Beria Erfe
)

_TO_UPPER = {
    lower + index: upper + index
    for lower, upper, count in _PAIRS
    for index in range(count)
}
_FIRST = "\u019b"
"""The least of all these; few texts hold anything as late, and `translate` is slow."""

_TO_LOWER = {upper: lower for lower, upper in _TO_UPPER.items()}


def upper(text: str) -> str:
    """Give the text in upper case; ß becomes SS."""
    if text.isascii() or max(text) < _FIRST:
        return text.upper()
    return text.translate(_TO_UPPER).upper()


def lower(text: str) -> str:
    """Give the text in lower case; Σ at the end of a word becomes ς."""
    if text.isascii() or max(text) < _FIRST:
        return text.lower()
    return text.translate(_TO_LOWER).lower()
