"""Cut the text of an expression into tokens.

The length limit stands here because nothing may happen before it. No step looks back,
so the time is linear in the length of the text.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from foretell.expressions.errors import ExpressionError

MAX_CHARACTERS = 2_000

KEYWORDS = frozenset(
    (
        *("and", "or", "not", "in", "between", "like", "escape", "is"),
        *("null", "true", "false", "case", "when", "then", "else", "end"),
    )
)


class Kind(Enum):
    NUMBER = auto()
    TEXT = auto()
    WORD = auto()
    QUOTED_NAME = auto()
    KEYWORD = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        text: A keyword in lower case, a quoted name or text without its quotes, else
            what was written.
        position: Its first character, counted from 1.
    """

    kind: Kind
    text: str
    position: int


_PATTERN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<text>'(?:[^']|'')*+')
      | (?P<quoted>"(?:[^"]|"")*+")
      | (?P<symbol><=|>=|<>|!=|==|\|\||[-+*/%=<>(),])
    """,
    re.VERBOSE,
)

_SPELLINGS = {"<>": "!=", "==": "="}

_HINTS = {
    "'": "The text that starts here has no closing quote.",
    '"': "The quoted column name that starts here has no closing quote.",
    "&": "'&' is not an operator; write AND.",
    "|": "'|' is not an operator; write OR, or || to join texts.",
    "!": "'!' is not an operator; write NOT or <>.",
    "^": "'^' is not an operator.",
    ";": "';' is not allowed: this is one expression, not a statement.",
    "`": 'A column name is quoted with ", as in "Sepal Length".',
    "[": 'A column name is quoted with ", as in "Sepal Length".',
}


def tokenize(text: str) -> list[Token]:
    """Cut a text into tokens; the last one is of kind END.

    Raises:
        ExpressionError: The text is too long, or holds something that no token
            starts with.
    """
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            f"The expression has {len(text):,} characters; {MAX_CHARACTERS:,} are allowed.",
            MAX_CHARACTERS + 1,
        )
    _refuse_bad_characters(text)
    tokens: list[Token] = []
    start = 0
    while start < len(text):
        token, end = _next_token(text, start)
        if token is not None:
            tokens.append(token)
        start = end
    tokens.append(Token(Kind.END, "", len(text) + 1))
    return tokens


def _refuse_bad_characters(text: str) -> None:
    for index, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise ExpressionError(
                f"The character U+{ord(character):04X} is not allowed.", index + 1
            )


def _next_token(text: str, start: int) -> tuple[Token | None, int]:
    """Read one token, or white space as None, and where it ends."""
    if _starts_word(text[start]):
        return _word(text, start)
    match = _PATTERN.match(text, start)
    if match is None:
        hint = _HINTS.get(text[start], f"{text[start]!r} is not expected here.")
        raise ExpressionError(hint, start + 1)
    found, end, position = match.group(), match.end(), start + 1
    match match.lastgroup:
        case "space":
            return None, end
        case "number":
            if end < len(text) and _starts_word(text[end]):
                raise ExpressionError(
                    'A name cannot start with a digit; quote it with ".', position
                )
            return Token(Kind.NUMBER, found, position), end
        case "text":
            return Token(Kind.TEXT, found[1:-1].replace("''", "'"), position), end
        case "quoted":
            name = found[1:-1].replace('""', '"')
            return Token(Kind.QUOTED_NAME, name, position), end
    return Token(Kind.SYMBOL, _SPELLINGS.get(found, found), position), end


def _starts_word(character: str) -> bool:
    return character == "_" or character.isidentifier()


def _word(text: str, start: int) -> tuple[Token, int]:
    end = start + 1
    # Python's own rule for the rest of a name; it takes the combining marks that many
    # scripts need and that `str.isalnum` refuses.
    while end < len(text) and ("a" + text[end]).isidentifier():
        end += 1
    word = text[start:end]
    if word.lower() in KEYWORDS:
        return Token(Kind.KEYWORD, word.lower(), start + 1), end
    return Token(Kind.WORD, word, start + 1), end
