"""What the cells of a column have shown so far, and the type that follows from it.

Evidence only ever rules things out, so it can be gathered block by block and in any
order: a column is an integer column when every cell of the whole file has been seen
to be one, never because a sample was.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from foretell.core.columns import ColumnType
from foretell.tabular.column_kinds import (
    DECIMAL_DIGITS,
    FALSE,
    FORMATS,
    TEXT,
    TRUE,
    Kind,
    cast,
    fits,
    number_shape,
    plain_number,
)
from foretell.tabular.messages import Finding

_PEEK = 64
EXACT_FLOAT_DIGITS = 15  # every whole number of up to 15 digits is exact as a float
_SHAPES = {name: re.compile(form.shape) for name, form in FORMATS.items()}
_BOOLEANS = frozenset((*TRUE, *FALSE))


Guess = Literal["any", "moments", "none"]
"""What may be guessed of cells: all types, only dates and times, or none but text."""


@dataclass(slots=True)
class NumberEvidence:
    """What the numbers of a column are like; all counts are of cells.

    Attributes:
        fractions: Cells that are no whole numbers.
        beyond_int64: Whole numbers that need more than 64 bits.
        inexact: Whole numbers that a float may not hold exactly.
        exponents, infinities: Cells written with an exponent; infinite ones.
        pointed: Cells that are plainly numbers, not codes such as `12E3`.
        not_three: Cells whose fraction has not exactly three digits, so that its mark
            is no thousands separator.
        digits, scale: Most digits before and after the mark.
    """

    fractions: int = 0
    beyond_int64: int = 0
    inexact: int = 0
    exponents: int = 0
    infinities: int = 0
    pointed: int = 0
    not_three: int = 0
    digits: int = 0
    scale: int = 0

    def merge(self, other: "NumberEvidence") -> None:
        """Take in what other cells of the column have shown."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            is_width = name in ("digits", "scale")
            setattr(self, name, max(mine, theirs) if is_width else mine + theirs)

    def kind(self, mark: str) -> Kind:
        """Return the narrowest kind that holds every cell exactly as written."""
        if not self.fractions:
            if not self.beyond_int64:
                return Kind(ColumnType.INTEGER)
            return self._decimal(mark)
        if self.inexact:
            return self._decimal(mark)
        is_number = self.pointed or (self.infinities and self.digits)
        return Kind(ColumnType.FLOAT, mark=mark) if is_number else TEXT

    def _decimal(self, mark: str) -> Kind:
        is_plain = not (self.exponents or self.infinities)
        if is_plain and self.digits + self.scale <= DECIMAL_DIGITS:
            return Kind(ColumnType.DECIMAL, scale=self.scale, mark=mark)
        return TEXT


def number_evidence(cells: pl.Series, mark: str) -> NumberEvidence | None:
    """Return what the cells show, or None where one of them is no number."""
    cell = plain_number(pl.col("cell"), mark)
    is_whole = cell.str.contains(r"^-?[0-9]+$")
    fraction = cell.str.extract(r"\.([0-9]*)", 1).str.len_bytes()
    digits = cell.str.extract(r"^-?([0-9]*)", 1).str.len_bytes()
    is_long = is_whole & (digits > EXACT_FLOAT_DIGITS)
    is_infinite = cell.str.contains("(?i)inf")
    overflows = cell.cast(pl.Float64, strict=False).is_infinite() & ~is_infinite
    frame = cells.alias("cell").to_frame()
    is_number = pl.col("cell").str.contains(number_shape(mark))
    if not frame.select(is_number.all()).item():
        return None
    found = frame.select(
        fractions=(~is_whole).sum(),
        beyond_int64=(is_long & cell.cast(pl.Int64, strict=False).is_null()).sum(),
        inexact=is_long.sum(),
        exponents=cell.str.contains("[eE]").sum(),
        infinities=is_infinite.sum(),
        pointed=cell.str.contains(r"\.|[eE][+-]").sum(),
        not_three=(fraction != 3).sum(),
        digits=digits.max(),
        scale=fraction.max(),
        overflows=(~is_whole & overflows).sum(),
    ).row(0, named=True)
    if found.pop("overflows"):
        return None
    return NumberEvidence(**{name: int(value or 0) for name, value in found.items()})


@dataclass(slots=True)
class Evidence:
    """What one column may still be.

    Attributes:
        tokens: Cells that mean "no value" unless the column is text.
        marks: Decimal marks that may be used, the likelier one first.
        filled: Cells seen that are neither empty nor a token.
        numbers: Evidence by decimal mark, as long as every cell is a number.
        is_boolean: Whether every cell is true or false.
        formats: Date and time formats that every cell has.
    """

    tokens: Collection[str]
    marks: tuple[str, ...] = (".",)
    filled: int = 0
    numbers: dict[str, NumberEvidence] = field(default_factory=dict)
    is_boolean: bool = True
    formats: set[str] = field(default_factory=lambda: set(FORMATS))
    example: str = ""

    def __post_init__(self) -> None:
        self.numbers = {mark: NumberEvidence() for mark in self.marks}

    def narrow(self, guess: Guess) -> None:
        """Rule out what the file itself says the cells are not."""
        if guess != "any":
            self.numbers, self.is_boolean = {}, False
        if guess == "none":
            self.formats = set()

    @property
    def is_open(self) -> bool:
        """Whether anything but text is still possible."""
        return bool(self.numbers or self.is_boolean or self.formats)

    def take(self, cells: pl.Series) -> None:
        """Rule out what these cells (text, nulls allowed) are not."""
        cells = cells.drop_nulls()
        cells = cells.filter(~cells.is_in(list(self.tokens)))
        if cells.is_empty() or not self.is_open:
            return
        self.filled += len(cells)
        self.example = self.example or cells[0]
        self._peek(cells.head(_PEEK).to_list())
        for mark in list(self.numbers):
            found = number_evidence(cells, mark)
            if found is None:
                del self.numbers[mark]
            else:
                self.numbers[mark].merge(found)
        if self.is_boolean:
            self.is_boolean = bool(cells.is_in(list(_BOOLEANS)).all())
        self.formats = {name for name in self.formats if _all_fit(cells, name)}

    def _peek(self, cells: list[str]) -> None:
        """Drop what a few cells already exclude, cheaper than over all of them."""
        self.is_boolean = self.is_boolean and _BOOLEANS.issuperset(cells)
        self.formats = {
            name
            for name in self.formats
            if all(_SHAPES[name].fullmatch(cell) for cell in cells)
        }
        self.numbers = {
            mark: evidence
            for mark, evidence in self.numbers.items()
            if all(_may_be_number(cell) for cell in cells)
        }

    def decide(self) -> Kind:
        """Return the kind that every cell seen so far fits."""
        if not self.filled:
            return TEXT
        if self.is_boolean:
            return Kind(ColumnType.BOOLEAN)
        for mark, numbers in self.numbers.items():
            is_sure = mark == "." or len(self.marks) == 1 or numbers.not_three
            if is_sure and (kind := numbers.kind(mark)) != TEXT:
                return kind
        if len(self.formats) == 1:
            form = FORMATS[next(iter(self.formats))]
            return Kind(form.type, format=form.strftime, has_zone=form.has_zone)
        return TEXT

    def finding(self, column: str) -> Finding | None:
        """Return what a person should decide or know about this column's type."""
        if not self.filled:
            return None
        kind = self.decide()
        if kind.mark == "," and len(self.marks) > 1:
            return Finding(
                code="decimal_comma",
                column=column,
                message="The comma was read as the decimal mark.",
                example=self.example,
            )
        if len(self.formats) > 1:
            return Finding(
                code="ambiguous_date",
                column=column,
                message="These dates can be read in more than one way, so they stay"
                " text; say how with date_format.",
                formats=sorted(self.formats),
                example=self.example,
            )
        if kind.format and FORMATS[kind.format].rival:
            return Finding(
                code="date_order",
                column=column,
                message="Only one order of day and month fits every cell.",
                formats=[kind.format],
                example=self.example,
            )
        return None


def _may_be_number(cell: str) -> bool:
    return cell[:1] in "-+.,0123456789iI"


def _all_fit(cells: pl.Series, name: str) -> bool:
    form = FORMATS[name]
    kind = Kind(form.type, format=form.strftime, has_zone=form.has_zone)
    cell = pl.col("cell")
    frame = cells.alias("cell").to_frame()
    return bool(frame.select(fits(cell, cast(cell, kind), kind).all()).item())
