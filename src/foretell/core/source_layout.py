"""Lays Python source out as Black does, for code that Foretell writes.

Generated code has to pass `black --check` where it lands, whatever the length of the
names in it, on servers that have no Black. So only the part of its rules is here that
generated code needs: one logical line at a time, split at its last bracket, then at
its commas. Lines with comments or strings over several lines are left as they are.
A test compares with Black itself.
"""

import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from tokenize import TokenInfo

LINE_LENGTH = 88
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_SKIPPED = {tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_INDENT = "    "
_FSTRING_START = getattr(tokenize, "FSTRING_START", -1)
_FSTRING_END = getattr(tokenize, "FSTRING_END", -1)


@dataclass(frozen=True, slots=True)
class _Word:
    """One token, and the blanks before it when both stand on one line."""

    text: str
    gap: str


def tidy(source: str) -> str:
    """The same code, long or broken statements laid out anew, quotes made double."""
    lines = source.splitlines()
    tidied: list[str] = []
    done = 0
    for statement in _statements(source):
        first, last = statement[0].start[0], statement[-1].end[0]
        tidied += lines[done : first - 1]
        done = last
        tidied += _laid_out(statement, lines[first - 1 : last])
    return "\n".join([*tidied, *lines[done:]]).rstrip("\n") + "\n"


def _statements(source: str) -> Iterator[list[TokenInfo]]:
    statement: list[TokenInfo] = []
    for token in _tokens(source):
        if token.type == tokenize.NEWLINE:
            yield statement
            statement = []
        elif token.type not in _SKIPPED and (statement or not _is_comment(token)):
            statement.append(token)


def _tokens(source: str) -> Iterator[TokenInfo]:
    """Tokens; an f-string is one, as it was before Python 3.12."""
    lines, opened = source.splitlines(keepends=True), []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == _FSTRING_START:
            opened.append(token.start)
        elif token.type == _FSTRING_END:
            start = opened.pop()
            if not opened:
                text = _between(lines, start, token.end)
                line = lines[start[0] - 1]
                yield TokenInfo(tokenize.STRING, text, start, token.end, line)
        elif not opened:
            yield token


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    text = "".join(lines[start[0] - 1 : end[0]])
    return text[start[1] : len(text) - len(lines[end[0] - 1]) + end[1]]


def _is_comment(token: TokenInfo) -> bool:
    return token.type == tokenize.COMMENT


def _laid_out(statement: list[TokenInfo], lines: list[str]) -> list[str]:
    if any(_is_fixed(token, place) for place, token in enumerate(statement)):
        return lines
    words = _words(statement)
    depth = statement[0].start[1] // len(_INDENT)
    return list(_layout(words, depth, is_body=False))


def _is_fixed(token: TokenInfo, place: int) -> bool:
    """Whether a statement with this token stays as it is: a comment, a text over
    several lines, or a `for` inside brackets."""
    if token.string == "for" and place > 1:
        return True
    return _is_comment(token) or "\n" in token.string


def _words(statement: Sequence[TokenInfo]) -> list[_Word]:
    words = [_Word(_double_quoted(statement[0]), "")]
    for before, token in pairwise(statement):
        if before.end[0] == token.start[0]:
            gap = token.line[before.end[1] : token.start[1]]
        else:
            joined = before.string in _OPENING or token.string in _CLOSING
            gap = "" if joined else " "
        words.append(_Word(_double_quoted(token), gap))
    return words


def _double_quoted(token: TokenInfo) -> str:
    text = token.string
    plain = token.type == tokenize.STRING and text[0] == "'" and text[:3] != "'''"
    if not plain or '"' in text or "\\" in text:
        return text
    return f'"{text[1:-1]}"'


def _layout(
    words: Sequence[_Word], depth: int, *, is_body: bool, after: str = ""
) -> Iterator[str]:
    """The lines of one statement, or of what stands between two brackets.

    `after` will follow on the last line, which must have room for it.
    """
    line = _INDENT * depth + _joined(words)
    if len(line + after) <= LINE_LENGTH and not _must_explode(words):
        yield line
    elif is_body and (commas := _commas(words)):
        yield from _by_commas(words, commas, depth)
    elif is_body and len(dots := _dots(words)) > 1:
        for start, end in pairwise([0, *dots, len(words)]):
            yield _INDENT * depth + _joined(words[start:end])
    elif not is_body and words[0].text == "from":
        yield from _import(words, depth)
    elif not is_body and (equals := _assignment(words)) is not None:
        yield from _by_value(words, equals, depth)
    elif (pair := _bracket(words)) is not None:
        yield from _by_bracket(words, pair, depth)
    else:
        yield line


def _import(words: Sequence[_Word], depth: int) -> Iterator[str]:
    """An import that is too long: a name a line, each with a comma."""
    place = [word.text for word in words].index("import")
    names = [word for word in words[place + 1 :] if word.text not in "()"]
    yield _INDENT * depth + _joined(words[: place + 1]) + " ("
    yield from _by_commas(names, _commas(names), depth + 1)
    yield _INDENT * depth + ")"


def _by_value(words: Sequence[_Word], equals: int, depth: int) -> Iterator[str]:
    """An assignment: split in its value, else around it, else in its target."""
    value = words[equals + 1 :]
    pair = _bracket(value)
    room = LINE_LENGTH - len(_INDENT) * depth
    if pair is not None:
        opening, closing = pair[0] + equals + 1, pair[1] + equals + 1
        if len(_joined(words[: opening + 1])) <= room:
            yield from _by_bracket(words, (opening, closing), depth)
            return
    elif len(_joined(value)) + len(_INDENT) > room:
        yield _INDENT * depth + _joined(words)
        return
    target = _bracket(words[:equals])
    if len(_joined(words[: equals + 1])) + len(" (") <= room or target is None:
        yield _INDENT * depth + _joined(words[: equals + 1]) + " ("
        yield from _layout(value, depth + 1, is_body=True)
        yield _INDENT * depth + ")"
        return
    opening, closing = target
    yield _INDENT * depth + _joined(words[: opening + 1])
    yield from _layout(words[opening + 1 : closing], depth + 1, is_body=True)
    yield from _layout(words[closing:], depth, is_body=False)


def _assignment(words: Sequence[_Word]) -> int | None:
    """Place of the `=` of an assignment."""
    depth = 0
    for place, word in enumerate(words):
        depth += (word.text in _OPENING) - (word.text in _CLOSING)
        if word.text == "=" and depth <= 0 and words[0].text not in ("def", "async"):
            return place
    return None


def _joined(words: Sequence[_Word]) -> str:
    return (words[0].text if words else "") + "".join(w.gap + w.text for w in words[1:])


def _must_explode(words: Sequence[_Word]) -> bool:
    """Whether a bracket ends with a comma that its author wants to keep."""
    for place, (word, after) in enumerate(pairwise(words)):
        if word.text == "," and after.text in _CLOSING:
            opening = _opening_of(words, place + 1)
            commas = _commas(words[opening + 1 : place + 1])
            is_tuple = after.text == ")" and _is_literal(words, opening)
            if not (is_tuple and len(commas) == 1):
                return True
    return False


def _is_literal(words: Sequence[_Word], opening: int) -> bool:
    """Whether the bracket is a tuple, list, dict or set, not arguments or an index."""
    before = words[opening - 1].text if opening else ""
    called = before.isidentifier() and before not in ("return", "in", "await")
    return not (called or before in _CLOSING)


def _by_commas(
    words: Sequence[_Word], commas: Sequence[int], depth: int
) -> Iterator[str]:
    start = 0
    for end in [*commas, len(words)]:
        item = words[start:end]
        if item:
            *lines, last = _layout(item, depth, is_body=True, after=",")
            yield from (*lines, last + ",")
        start = end + 1


def _by_bracket(
    words: Sequence[_Word], pair: tuple[int, int], depth: int
) -> Iterator[str]:
    opening, closing = pair
    body = words[opening + 1 : closing]
    commas = _commas(body)
    # Black ends the only parameter of a function with a comma, and gives each item of
    # a list a line of its own as soon as the list is split.
    is_only = not commas and "def" in (words[0].text, words[1].text)
    yield _INDENT * depth + _joined(words[: opening + 1])
    is_kept = bool(body) and body[-1].text == ","
    if is_only or is_kept or (commas and _is_literal(words, opening)):
        yield from _by_commas(body, commas, depth + 1)
    else:
        yield from _layout(body, depth + 1, is_body=True)
    yield _INDENT * depth + _joined(words[closing:])


def _commas(words: Sequence[_Word]) -> list[int]:
    """Places of the commas that stand in no bracket."""
    found, depth = [], 0
    for place, word in enumerate(words):
        depth += (word.text in _OPENING) - (word.text in _CLOSING)
        if word.text == "," and depth == 0:
            found.append(place)
    return found


def _dots(words: Sequence[_Word]) -> list[int]:
    """Places of the dots that follow a call, in no bracket."""
    found, depth = [], 0
    for place, word in enumerate(words):
        depth += (word.text in _OPENING) - (word.text in _CLOSING)
        if word.text == "." and depth == 0 and words[place - 1].text in _CLOSING:
            found.append(place)
    return found


def _bracket(words: Sequence[_Word]) -> tuple[int, int] | None:
    """The pair of brackets to split at: the parameters of a function, else the last
    that holds anything."""
    closings = [n for n, word in enumerate(words) if word.text in _CLOSING]
    pairs = [(_opening_of(words, closing), closing) for closing in closings]
    outer = [(a, b) for a, b in pairs if not any(c < a and b < d for c, d in pairs)]
    full = [(a, b) for a, b in outer if b - a > 1]
    if not full:
        return None
    return full[0] if words[0].text in ("def", "async") else full[-1]


def _opening_of(words: Sequence[_Word], closing: int) -> int:
    depth = 0
    for place in range(closing, -1, -1):
        depth += (words[place].text in _CLOSING) - (words[place].text in _OPENING)
        if depth == 0:
            return place
    raise ValueError("a bracket is closed that was not opened")
