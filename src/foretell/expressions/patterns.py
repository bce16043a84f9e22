"""Patterns of LIKE, and what counts as white space."""

import re

WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""The characters with the Unicode property `White_Space`. `str.strip()` without
arguments also takes U+001C to U+001F, which polars keeps."""

TO_INTEGER = r"^\+?(-?[0-9]+)$"
TO_FLOAT = r"^\+?(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)$"
"""What `to_integer` and `to_float` read; the group is the number."""

ANY_CHARACTER = None
"""`_` in a piece of a pattern."""

Piece = list[str | None]


def split_like(pattern: str, escape: str | None) -> list[Piece]:
    """Cut a LIKE pattern at its `%`.

    Returns:
        The pieces between, each a list of characters or ANY_CHARACTER; one piece means
        there is no `%`. An escape character at the very end stands for itself.
    """
    pieces: list[Piece] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            pieces[-1].append(next(characters, character))
        elif character == "%":
            pieces.append([])
        else:
            pieces[-1].append(ANY_CHARACTER if character == "_" else character)
    return pieces


def like_to_rust(pattern: str, escape: str | None) -> str:
    """Translate to the linear-time engine of polars (which matches a part of a text)."""
    parts = (_piece(piece, r"\x{%x}") for piece in split_like(pattern, escape))
    return r"(?s)\A" + ".*".join(parts) + r"\z"


def like_to_python(pattern: str, escape: str | None) -> re.Pattern[str]:
    """Translate for `re`, to be used with `fullmatch`.

    Each inner piece is taken where it first occurs and never reconsidered (an atomic
    group), which is right because `%` may stand for anything, and keeps the time
    from growing with a power of the number of `%`.
    """
    first, *others = (_piece(piece, None) for piece in split_like(pattern, escape))
    regex = first
    if others:
        *inner, last = others
        regex += "".join(f"(?>.*?{piece})" for piece in inner) + f".*{last}"
    return re.compile(regex, re.DOTALL)


def _piece(piece: Piece, code: str | None) -> str:
    return "".join(
        (
            "."
            if character is ANY_CHARACTER
            else (code % ord(character) if code else re.escape(character))
        )
        for character in piece
    )
