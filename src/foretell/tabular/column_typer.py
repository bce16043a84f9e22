"""Turn blocks of text cells into typed columns, learning the types on the way.

Types are guessed from a sample and every later cell is checked against the guess.
If the guess holds to the end of the file, one pass was enough; if a cell anywhere
contradicts it, the rest of the pass only gathers evidence, and a second pass uses
the types that the whole file has proven. So no guess ever costs a row, and no file
is read more than twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from foretell.core.columns import Column, ColumnType
from foretell.tabular.cell_patterns import NULL_TOKENS
from foretell.tabular.column_kinds import TEXT, Kind, fits
from foretell.tabular.errors import BadOption
from foretell.tabular.forced_types import (
    Forced,
    explain,
    forced_cast,
    forced_columns,
)
from foretell.tabular.messages import CellError, Finding, ImportOptions
from foretell.tabular.quick_casts import cast_block, find_misfits
from foretell.tabular.type_evidence import (
    EXACT_FLOAT_DIGITS,
    Evidence,
    Guess,
    NumberEvidence,
)

_NAN = ("NaN", "nan", "NAN")


@dataclass(slots=True)
class TypedBlock:
    """One block of rows.

    Attributes:
        frame: Typed rows; None once a guess has failed.
        bad_rows: Indices of the rows that were left out, in order.
        errors: What was wrong with each of them, and the first suggestion.
    """

    frame: pl.DataFrame | None
    bad_rows: list[int] = field(default_factory=list)
    errors: list[list[CellError]] = field(default_factory=list)
    suggestions: list[str | None] = field(default_factory=list)


class ColumnTyper:
    """Knows the type of each column, or finds it out.

    Args:
        rows: Some rows, to guess types from.
        guesses: What may be guessed of each column; anything by default.
    """

    def __init__(
        self,
        names: list[str],
        options: ImportOptions,
        rows: list[list[str]],
        delimiter: str,
        guesses: Sequence[Guess] = (),
    ) -> None:
        if options.decimal not in (None, ".", ","):
            raise BadOption("The option decimal must be a point or a comma.")
        # Blocks come with positions for names: `*` or `^a$` would be patterns to polars.
        self._public = {str(index): name for index, name in enumerate(names)}
        self.names = list(self._public)
        self._nulls = [cell for cell in options.nulls or () if cell]
        tokens = NULL_TOKENS if options.nulls is None else frozenset(_NAN)
        forced = forced_columns(names, options, rows)
        self._forced = {
            key: forced[name] for key, name in self._public.items() if name in forced
        }
        self._tokens = list(tokens)
        marks = _marks(options, delimiter)
        self._evidence = {
            name: Evidence(tokens, marks)
            for name in self.names
            if name not in self._forced
        }
        for name, guess in zip(self.names, guesses, strict=False):
            if name in self._evidence:
                self._evidence[name].narrow(guess)
        self._scales = dict.fromkeys(
            (n for n, f in self._forced.items() if f.kind.type == ColumnType.DECIMAL), 0
        )
        if rows:
            self._learn(rows)
        self.kinds = self._decide()
        self.holds = True
        self._nulls_seen = dict.fromkeys(self.names, False)

    def _learn(self, rows: list[list[str]]) -> None:
        sample = pl.DataFrame(
            rows, schema=dict.fromkeys(self.names, pl.String), orient="row"
        )
        self._gather(self._without_nulls(sample))
        self._measure_scales(sample)

    def restart(self) -> None:
        """Take the proven types for a second pass."""
        self.kinds = self._decide()
        self.holds = True
        self._nulls_seen = dict.fromkeys(self.names, False)

    def _decide(self) -> dict[str, Kind]:
        kinds: dict[str, Kind] = {}
        for name in self.names:
            if name in self._forced:
                kinds[name] = self._forced_kind(name).kind
            else:
                kinds[name] = self._evidence[name].decide()
        return kinds

    def _forced_kind(self, name: str) -> Forced:
        forced = self._forced[name]
        if name not in self._scales:
            return forced
        kind = Kind(ColumnType.DECIMAL, scale=self._scales[name], mark=forced.kind.mark)
        return Forced(kind, forced.formats)

    # --- one block ---------------------------------------------------------------

    def take(self, text: pl.DataFrame) -> TypedBlock:
        """Type one block of text cells; empty cells may be null or empty text."""
        text = self._without_nulls(text)
        self._measure_scales(text)
        text, forced_values, block = self._apply_forced(text)
        values = self._apply_guesses(text)
        if self._decide() != self.kinds:
            self.holds = False
        if self.holds:
            columns = {**forced_values, **values}
            for name in self.names:
                if columns[name].null_count():
                    self._nulls_seen[name] = True
            block.frame = pl.DataFrame(
                [columns[name].alias(public) for name, public in self._public.items()]
            )
        return block

    def _without_nulls(self, text: pl.DataFrame) -> pl.DataFrame:
        empties = ["", *self._nulls]
        if len(empties) > 1:
            cell = pl.all()
            return text.with_columns(
                pl.when(~cell.is_in(empties)).then(cell).name.keep()
            )
        shortest = text.select(pl.all().str.len_bytes().min()).row(0)
        blank = [n for n, size in zip(text.columns, shortest, strict=True) if size == 0]
        return text.with_columns(
            pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in blank
        )

    def _measure_scales(self, text: pl.DataFrame) -> None:
        for name in self._scales:
            mark = self._forced[name].kind.mark
            point = r"\." if mark == "." else ","
            found = text[name].str.extract(rf"^[+-]?[0-9]*{point}([0-9]*)$", 1)
            scale = found.str.len_bytes().filter(found.str.len_bytes() <= 38).max()
            widest = max(self._scales[name], int(scale or 0))  # type: ignore[arg-type]
            self._scales[name] = widest

    def _apply_forced(
        self, text: pl.DataFrame
    ) -> tuple[pl.DataFrame, dict[str, pl.Series], TypedBlock]:
        block = TypedBlock(None)
        if not self._forced:
            return text, {}, block
        text = self._without_tokens(text)
        values = text.select(
            forced_cast(pl.col(name), self._forced_kind(name)).alias(name)
            for name in self._forced
        )
        wrong = text.select(
            (pl.col(name).is_not_null() & values[name].is_null()).alias(name)
            for name in self._forced
        )
        is_bad = wrong.select(pl.any_horizontal(pl.all()).alias("bad"))["bad"]
        if is_bad.any():
            block.bad_rows = is_bad.arg_true().to_list()
            self._explain(text, wrong, block)
            text, values = text.filter(~is_bad), values.filter(~is_bad)
        return text, values.to_dict(), block

    def _without_tokens(self, text: pl.DataFrame) -> pl.DataFrame:
        typed = [n for n, f in self._forced.items() if f.kind.type != ColumnType.TEXT]
        return text.with_columns(
            pl.when(~pl.col(name).is_in(self._tokens)).then(pl.col(name)).alias(name)
            for name in typed
        )

    def _explain(
        self, text: pl.DataFrame, wrong: pl.DataFrame, block: TypedBlock
    ) -> None:
        rows = text.select(list(self._forced))[block.bad_rows].rows()
        flags = wrong[block.bad_rows].rows()
        for cells, bad in zip(rows, flags, strict=True):
            errors: list[CellError] = []
            suggestions: list[str | None] = []
            for name, cell, is_wrong in zip(self._forced, cells, bad, strict=True):
                if is_wrong:
                    code, reason, suggestion = explain(cell, self._forced_kind(name))
                    column = self._public[name]
                    errors.append(CellError(column=column, code=code, reason=reason))
                    suggestions.append(suggestion)
            block.errors.append(errors)
            block.suggestions.append(suggestions[0])

    def _apply_guesses(self, text: pl.DataFrame) -> dict[str, pl.Series]:
        """Cast every guessed column, and record what its cells show."""
        typed = {n: self.kinds[n] for n in self._evidence if self.kinds[n] != TEXT}
        values = cast_block(text, typed)
        found = find_misfits(text, values, typed)
        misfits = found.counts
        for name, evidence in self._evidence.items():
            if name not in misfits:
                if evidence.is_open:
                    evidence.take(text[name])
            elif misfits[name] and not self._are_tokens(text[name], values[name], name):
                evidence.take(text[name])
            elif self.kinds[name].type in (ColumnType.INTEGER, ColumnType.FLOAT):
                is_odd = name in found.odd
                _note_numbers(text[name], values[name], evidence, is_odd=is_odd)
            elif self.kinds[name].type == ColumnType.DECIMAL:
                evidence.take(text[name])
        return {
            name: values[name] if name in misfits else text[name]
            for name in self._evidence
        }

    def _are_tokens(self, cells: pl.Series, values: pl.Series, name: str) -> bool:
        """Whether all cells that do not fit mean "no value"."""
        frame = pl.DataFrame([cells.alias("cell"), values.alias("value")])
        cell, value = pl.col("cell"), pl.col("value")
        odd = cell.is_not_null() & ~fits(cell, value, self.kinds[name])
        return bool(frame.filter(odd).select(cell.is_in(self._tokens).all()).item())

    def _gather(self, text: pl.DataFrame) -> None:
        for name, evidence in self._evidence.items():
            evidence.take(text[name])

    # --- the end -----------------------------------------------------------------

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The polars types of the version's columns."""
        return {public: self.kinds[n].dtype for n, public in self._public.items()}

    def columns(self) -> list[Column]:
        """Return the columns of the version; nullable are those that hold a null."""
        return [
            Column(public, self.kinds[name].type, self._nulls_seen[name])
            for name, public in self._public.items()
        ]

    def findings(self) -> list[Finding]:
        """Return what a person should decide or know about the types."""
        found = (
            evidence.finding(self._public[name])
            for name, evidence in self._evidence.items()
        )
        return [finding for finding in found if finding is not None]


def _marks(options: ImportOptions, delimiter: str) -> tuple[str, ...]:
    if options.decimal is not None:
        return (options.decimal,)
    return (".",) if delimiter == "," else (".", ",")


def _note_numbers(
    cells: pl.Series, values: pl.Series, evidence: Evidence, *, is_odd: bool
) -> None:
    """Record the few figures that may change a number's kind, where all cells fit."""
    if values.dtype == pl.Int64:
        most = max(abs(int(values.max() or 0)), abs(int(values.min() or 0)))  # type: ignore[arg-type]
        found = NumberEvidence(digits=len(str(most)), inexact=int(most >= 10**15))
        for numbers in evidence.numbers.values():
            numbers.merge(found)
        return
    frame = pl.DataFrame([cells.alias("cell")])
    cell = pl.col("cell")
    size = cell.str.len_bytes()
    longest = int(frame.select(size.max()).item() or 0)
    noted = _note_floats(frame, values, is_odd=is_odd)
    for mark, numbers in evidence.numbers.items():
        at = cell.str.find(mark, literal=True)
        is_long = (size > EXACT_FLOAT_DIGITS) & at.is_null()
        figures = frame.select(
            scale=(size - at - 1).max(),
            long=is_long.any() if longest > EXACT_FLOAT_DIGITS else pl.lit(value=False),
        ).row(0, named=True)
        if figures["long"]:
            evidence.take(cells)  # perhaps a whole number that no float holds
            return
        numbers.merge(replace(noted, scale=int(figures["scale"] or 0)))


def _note_floats(
    frame: pl.DataFrame, values: pl.Series, *, is_odd: bool
) -> NumberEvidence:
    """What does not depend on the mark; the largest number has the most digits."""
    most = values.filter(values.is_finite()).abs().max()
    noted = NumberEvidence(digits=len(str(int(most or 0))))  # type: ignore[arg-type]
    if is_odd:
        cell = pl.col("cell")
        noted.exponents = int(frame.select(cell.str.contains("[eE]").sum()).item())
        noted.infinities = int(values.is_infinite().sum())
    return noted
