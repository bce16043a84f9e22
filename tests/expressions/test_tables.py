"""The tables of the language agree with each other and with the documentation."""

from pathlib import Path

import polars as pl

from foretell.expressions import casing, polars_compiler, row_compiler
from foretell.expressions.functions import FUNCTIONS, WRITTEN_OUT
from foretell.expressions.patterns import WHITE_SPACE
from foretell.expressions.reference import reference_page
from foretell.expressions.typed import OPERATORS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"
CHARACTERS = [chr(c) for c in range(0x20000) if not 0xD800 <= c <= 0xDFFF]
"""No character beyond has a case or is white space."""


def test_both_compilers_know_every_operator_and_function():
    known = OPERATORS | (FUNCTIONS.keys() - WRITTEN_OUT)
    assert known == polars_compiler.OPERATIONS
    assert known == row_compiler.OPERATIONS


def test_the_reference_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == reference_page()


def test_every_character_has_the_case_that_polars_gives_it():
    series = pl.Series(CHARACTERS)
    assert series.str.to_uppercase().to_list() == [casing.upper(c) for c in CHARACTERS]
    assert series.str.to_lowercase().to_list() == [casing.lower(c) for c in CHARACTERS]


def test_white_space_is_what_unicode_says():
    stripped = pl.Series(CHARACTERS).str.strip_chars().to_list()
    found = [c for c, rest in zip(CHARACTERS, stripped, strict=True) if not rest]
    assert "".join(found) == WHITE_SPACE
