"""Texts in SQL that mean the same on every database: equality, order, patterns.

SQLite's LIKE ignores the case of ASCII letters, so it gets GLOB. MySQL pads texts with
blanks before it compares them and PostgreSQL may sort them by locale, so both are made
to compare by code point.
"""

from typing import Any

from sqlalchemy import LargeBinary, Text, and_, cast, func, literal
from sqlalchemy.sql import ColumnElement

from foretell.expressions.patterns import ANY_CHARACTER, Piece

Element = ColumnElement[Any]

MYSQL = ("mysql", "mariadb")
_ESCAPE = "!"


def by_code_point(element: Element, dialect: str) -> Element:
    """Give a text that compares and sorts by code point."""
    if dialect == "postgresql":
        return element.collate("C")
    if dialect in MYSQL:
        return cast(element, LargeBinary)
    return element


def same_text(left: Element, right: Element, dialect: str) -> ColumnElement[bool]:
    """Give an equality of texts that an index of the column serves."""
    equal = left == right
    if dialect in MYSQL:
        # The first finds by index, the second tells 'a' from 'a '.
        return and_(
            equal, by_code_point(left, dialect) == by_code_point(right, dialect)
        )
    return equal


def matches(text: Element, pieces: list[Piece], dialect: str) -> Element:
    """Give whether a text is a pattern's; `split_like` and written parts make `pieces`."""
    if dialect == "sqlite":
        glob = "*".join("".join(map(_glob, piece)) for piece in pieces)
        return text.op("GLOB", is_comparison=True)(literal(glob, Text))
    if dialect in MYSQL:
        # Its index range for 'a%' starts at 'a' padded with blanks, so it would
        # miss 'a' and a tab; a computed text has no index.
        text = func.concat(text, "", type_=Text)
    pattern = "%".join("".join(map(_like, piece)) for piece in pieces)
    return text.like(literal(pattern, Text), escape=_ESCAPE)


def _glob(character: str | None) -> str:
    if character is ANY_CHARACTER:
        return "?"
    return f"[{character}]" if character in "*?[" else str(character)


def _like(character: str | None) -> str:
    if character is ANY_CHARACTER:
        return "_"
    return f"{_ESCAPE}{character}" if character in f"%_{_ESCAPE}" else str(character)
