"""Parse the text of an expression into a tree.

A Pratt parser: each operator has a strength, and a loop takes operators as long as
they bind more strongly than the one on the left. The limits are counted while parsing,
before a node is made, so that a hostile text costs no more than an honest one and
never reaches Python's own recursion limit.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from foretell.core.columns import ColumnType
from foretell.expressions.errors import ExpressionError
from foretell.expressions.literals import FORMATS, MAX_DECIMAL_DIGITS, find_temporal
from foretell.expressions.tokens import Kind, Token, tokenize
from foretell.expressions.tree import (
    Between,
    Binary,
    Call,
    Case,
    ColumnName,
    In,
    IsNull,
    Like,
    Literal,
    Node,
    Unary,
)

MAX_NODES = 200
MAX_DEPTH = 30

_LOWEST = 0
_COMPARISON = 4
_ADDITION = 6
_STRENGTHS = {
    "or": 1,
    "and": 2,
    "not": 3,
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">="), _COMPARISON),
    **dict.fromkeys(("is", "in", "between", "like"), _COMPARISON),
    "||": 5,
    **dict.fromkeys(("+", "-"), _ADDITION),
    **dict.fromkeys(("*", "/", "%"), 7),
    "negate": 8,
}
_PREDICATES = ("in", "between", "like")
_TEMPORAL = {
    "DATE": ColumnType.DATE,
    "TIME": ColumnType.TIME,
    "TIMESTAMP": ColumnType.TIMESTAMP,
}


def parse(text: str) -> Node:
    """Parse an expression.

    Raises:
        ExpressionError: The text is no expression, or is longer, larger or deeper
            than allowed.
    """
    parser = _Parser(tokenize(text))
    return parser.parse()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._nodes = 0
        self._depth = 0

    def parse(self) -> Node:
        if self._at_end():
            raise ExpressionError("The expression is empty.", 1)
        node = self._expression(_LOWEST)
        if not self._at_end():
            raise self._unexpected("an operator or the end")
        return node

    # --- tokens -----------------------------------------------------------------

    @property
    def _current(self) -> Token:
        return self._tokens[self._index]

    def _advance(self) -> Token:
        token = self._current
        if token.kind is not Kind.END:
            self._index += 1
        return token

    def _at_end(self) -> bool:
        return self._current.kind is Kind.END

    def _at(self, *texts: str) -> bool:
        token = self._current
        return token.kind in (Kind.KEYWORD, Kind.SYMBOL) and token.text in texts

    def _take(self, text: str) -> bool:
        if self._at(text):
            self._advance()
            return True
        return False

    def _expect(self, text: str) -> Token:
        if not self._at(text):
            raise self._unexpected(text.upper() if text.isalpha() else f"'{text}'")
        return self._advance()

    def _unexpected(self, wanted: str) -> ExpressionError:
        token = self._current
        if token.kind is Kind.END:
            return ExpressionError(
                f"The expression ends where {wanted} is expected.", token.position
            )
        found = token.text.upper() if token.kind is Kind.KEYWORD else token.text
        return ExpressionError(
            f"Found {found[:40]!r} where {wanted} is expected.", token.position
        )

    # --- limits -----------------------------------------------------------------

    def _count(self, position: int) -> int:
        """Count one more node, before the work for it, and give its position back."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ExpressionError(
                f"The expression has more than {MAX_NODES} parts.", position
            )
        return position

    @contextmanager
    def _nested(self, position: int) -> Iterator[None]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(
                f"Brackets, calls, CASE, NOT and minus signs are nested more than "
                f"{MAX_DEPTH} deep.",
                position,
            )
        yield
        self._depth -= 1

    # --- expressions ------------------------------------------------------------

    def _expression(self, strength: int) -> Node:
        """Parse operators that bind more strongly than `strength`."""
        left = self._operand()
        while (found := self._infix_strength()) > strength:
            if found == _COMPARISON:
                left = self._comparison(left)
            else:
                operator = self._advance()
                position = self._count(operator.position)
                right = self._expression(found)
                left = Binary(operator.text, left, right, position)
        return left

    def _infix_strength(self) -> int:
        token = self._current
        if token.kind not in (Kind.KEYWORD, Kind.SYMBOL):
            return _LOWEST
        if token.text == "not":  # x NOT IN …; as a prefix it never stands here
            return _COMPARISON
        return _STRENGTHS.get(token.text, _LOWEST)

    def _comparison(self, left: Node) -> Node:
        node = self._one_comparison(left)
        if self._infix_strength() == _COMPARISON:
            raise ExpressionError(
                "Comparisons cannot follow one another; write BETWEEN, AND or brackets.",
                self._current.position,
            )
        return node

    def _one_comparison(self, left: Node) -> Node:
        operator = self._advance()
        position = self._count(operator.position)
        if operator.text == "is":
            negated = self._take("not")
            self._expect("null")
            return IsNull(left, negated, position)
        negated = operator.text == "not"
        if negated:
            if not self._at(*_PREDICATES):
                raise self._unexpected("IN, BETWEEN or LIKE")
            operator = self._advance()
        match operator.text:
            case "in":
                return In(left, self._arguments(), negated, position)
            case "between":
                low = self._expression(_COMPARISON)
                self._expect("and")
                high = self._expression(_COMPARISON)
                return Between(left, low, high, negated, position)
            case "like":
                pattern = self._text_literal("the pattern, a text in single quotes,")
                escape = self._escape() if self._take("escape") else None
                return Like(left, pattern, escape, negated, position)
        right = self._expression(_COMPARISON)
        return Binary(operator.text, left, right, position)

    def _escape(self) -> str:
        position = self._current.position
        escape = self._text_literal("the escape character, a text,")
        if len(escape) != 1 or escape in "%_":
            raise ExpressionError(
                "ESCAPE takes one character that is neither % nor _.", position
            )
        return escape

    def _text_literal(self, wanted: str) -> str:
        if self._current.kind is not Kind.TEXT:
            raise self._unexpected(wanted)
        token = self._advance()
        self._count(token.position)
        return token.text

    # --- operands ---------------------------------------------------------------

    def _operand(self) -> Node:
        token = self._current
        match token.kind:
            case Kind.NUMBER:
                self._advance()
                return Literal(_number(token), self._count(token.position))
            case Kind.TEXT:
                self._advance()
                return Literal(token.text, self._count(token.position))
            case Kind.QUOTED_NAME:
                return self._quoted_name()
            case Kind.WORD:
                return self._name_or_call()
            case Kind.KEYWORD | Kind.SYMBOL:
                return self._prefix()
        raise self._unexpected("a value")

    def _quoted_name(self) -> Node:
        token = self._advance()
        if self._at("("):
            raise ExpressionError(
                "A function's name is written without quotes.", token.position
            )
        if not token.text:
            raise ExpressionError("A column name cannot be empty.", token.position)
        return ColumnName(token.text, True, self._count(token.position))

    def _name_or_call(self) -> Node:
        token = self._advance()
        position = self._count(token.position)
        if self._current.kind is Kind.TEXT and token.text.upper() in _TEMPORAL:
            return self._temporal(_TEMPORAL[token.text.upper()], position)
        if not self._at("("):
            return ColumnName(token.text, False, position)
        return Call(token.text.lower(), self._arguments(), position)

    def _temporal(self, type: ColumnType, position: int) -> Node:
        """Parse the text of `DATE '2024-02-29'` and its like."""
        token = self._advance()
        value = find_temporal(token.text, type)
        if value is None:
            raise ExpressionError(
                f"{token.text[:40]!r} is not a {type}; write it as '{FORMATS[type]}'.",
                token.position,
            )
        return Literal(value, position)

    def _prefix(self) -> Node:
        token = self._current
        match token.text:
            case "(":
                return self._group()
            case "case":
                return self._case()
            case "true" | "false" | "null":
                self._advance()
                value = {"true": True, "false": False, "null": None}[token.text]
                return Literal(value, self._count(token.position))
            case "not":
                self._advance()
                with self._nested(token.position):
                    position = self._count(token.position)
                    return Unary("not", self._expression(_STRENGTHS["not"]), position)
            case "-" | "+":
                return self._signed()
        raise self._unexpected("a value")

    def _signed(self) -> Node:
        sign = self._advance()
        number = self._current
        if number.kind is Kind.NUMBER:
            # One literal, so that the smallest integer can be written.
            self._advance()
            value = _number(number)
            position = self._count(sign.position)
            return Literal(-value if sign.text == "-" else value, position)
        with self._nested(sign.position):
            if sign.text == "+":
                raise ExpressionError("'+' needs a value on its left.", sign.position)
            position = self._count(sign.position)
            return Unary("-", self._expression(_STRENGTHS["negate"]), position)

    def _group(self) -> Node:
        opening = self._advance()
        with self._nested(opening.position):
            node = self._expression(_LOWEST)
            self._expect(")")
        return node

    def _arguments(self) -> tuple[Node, ...]:
        opening = self._expect("(")
        arguments: list[Node] = []
        with self._nested(opening.position):
            if self._take(")"):
                return ()
            arguments.append(self._expression(_LOWEST))
            while self._take(","):
                arguments.append(self._expression(_LOWEST))
            self._expect(")")
        return tuple(arguments)

    def _case(self) -> Node:
        start = self._expect("case")
        position = self._count(start.position)
        with self._nested(position):
            operand = None if self._at("when") else self._expression(_LOWEST)
            branches: list[tuple[Node, Node]] = []
            while self._take("when"):
                condition = self._expression(_LOWEST)
                self._expect("then")
                branches.append((condition, self._expression(_LOWEST)))
            if not branches:
                raise self._unexpected("WHEN")
            otherwise = self._expression(_LOWEST) if self._take("else") else None
            self._expect("end")
        return Case(operand, tuple(branches), otherwise, position)


def _number(token: Token) -> int | float:
    if token.text.isdecimal():
        if len(token.text.lstrip("0")) > MAX_DECIMAL_DIGITS:
            raise ExpressionError(
                f"The number has more than {MAX_DECIMAL_DIGITS} digits.", token.position
            )
        return int(token.text)
    value = float(token.text)
    if math.isinf(value):
        raise ExpressionError("The number is too large.", token.position)
    return value
