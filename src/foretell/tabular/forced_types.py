"""Columns whose type the caller fixed: cells that do not fit reject their row.

Forced types read more than guessed ones do (`007` is the integer 7, `yes` is true),
because the caller said what the cells mean.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from foretell.core.columns import ColumnType
from foretell.tabular.column_kinds import ISO_TIMESTAMPS, Kind, plain_number
from foretell.tabular.errors import BadOption
from foretell.tabular.messages import ImportOptions

_FORCEABLE = (
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.DECIMAL,
    ColumnType.FLOAT,
    ColumnType.TEXT,
    ColumnType.DATE,
    ColumnType.TIME,
    ColumnType.TIMESTAMP,
)
_YES = ("true", "t", "yes", "y", "1", "on")
_NO = ("false", "f", "no", "n", "0", "off")
_CLOCK_DIRECTIVES = re.compile(r"%[-_0]?[HIMSTRXcprfsklP]|%\.\d?f|%\d?f")
_DIRECTIVE = re.compile(r"%(?:[-_0]|:{1,3}|#|\.?[369]?|\.)([A-Za-z%+])")
_KNOWN_DIRECTIVES = frozenset("YCyqmbBhdeaAwuUWGgVjDxFvHkIlPpMSfRTXrZzcs+nt%")
_ZONE_DIRECTIVES = re.compile(r"%[:#]*z|%Z|%\+")
_ZONED_CELL = re.compile(r"\d(?: ?Z| ?[+-]\d{2}:?\d{2})$")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_WHOLE = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"


@dataclass(frozen=True, slots=True)
class Forced:
    """A column with a type given by the caller.

    Attributes:
        kind: What it is stored as.
        formats: strftime formats to try in turn, for dates and times.
    """

    kind: Kind
    formats: tuple[str, ...] = ()


def forced_columns(
    names: list[str], options: ImportOptions, rows: list[list[str]]
) -> dict[str, Forced]:
    """Return the columns the caller gave a type or a date format.

    Args:
        rows: Sample rows, to tell whether forced timestamps carry a zone.

    Raises:
        BadOption: A column is not in the file, or a type or format is unknown.
    """
    wanted: Mapping[str, str | None] = {
        **dict.fromkeys(options.date_format),
        **options.types,
    }
    unknown = [name for name in wanted if name not in names]
    if unknown:
        shown = ", ".join(map(repr, names[:50]))
        missing = ", ".join(map(repr, unknown))
        raise BadOption(
            f"The options name columns that are not in the file: {missing}."
            f" The file has: {shown}.",
            missing=unknown,
            found=names[:50],
        )
    mark = options.decimal or "."
    forced: dict[str, Forced] = {}
    for name, type_name in wanted.items():
        index = names.index(name)
        cells = [row[index] for row in rows if index < len(row)]
        pattern = options.date_format.get(name)
        forced[name] = _forced(name, type_name, pattern, mark, cells)
    return forced


def _forced(
    name: str, type_name: str | None, pattern: str | None, mark: str, cells: list[str]
) -> Forced:
    kind = _type_named(name, type_name, pattern)
    if pattern is not None:
        _check_format(name, pattern)
    if kind == ColumnType.DATE:
        return Forced(Kind(kind), (pattern,) if pattern else _DATES)
    if kind == ColumnType.TIME:
        formats = (pattern,) if pattern else ("%H:%M:%S%.f", "%H:%M")
        return Forced(Kind(kind), formats)
    if kind == ColumnType.TIMESTAMP:
        return _forced_timestamp(pattern, cells)
    return Forced(Kind(kind, mark=mark))


def _type_named(name: str, type_name: str | None, pattern: str | None) -> ColumnType:
    if type_name is None:
        has_clock = bool(_CLOCK_DIRECTIVES.search(pattern or ""))
        return ColumnType.TIMESTAMP if has_clock else ColumnType.DATE
    if type_name not in _FORCEABLE:
        known = ", ".join(_FORCEABLE)
        raise BadOption(
            f"Column {name!r} cannot be given the type {type_name[:40]!r};"
            f" possible are {known}."
        )
    return ColumnType(type_name)


def _check_format(name: str, pattern: str) -> None:
    directives = _DIRECTIVE.findall(pattern)
    is_known = all(letter in _KNOWN_DIRECTIVES for letter in directives)
    if not directives or not is_known or "%" in _DIRECTIVE.sub("", pattern):
        raise BadOption(f"The date format of column {name!r} is not understood.")


def _forced_timestamp(pattern: str | None, cells: list[str]) -> Forced:
    if pattern is not None:
        has_zone = bool(_ZONE_DIRECTIVES.search(pattern))
        has_clock = bool(_CLOCK_DIRECTIVES.search(pattern))
        kind = Kind(ColumnType.TIMESTAMP, has_zone=has_zone)
        return Forced(kind, (pattern,) if has_clock else (pattern + " %H:%M",))
    has_zone = any(_ZONED_CELL.search(cell) for cell in cells)
    formats = [form.strftime for form in ISO_TIMESTAMPS if form.has_zone == has_zone]
    if not has_zone:
        formats.append("%Y-%m-%d %H:%M")
    return Forced(Kind(ColumnType.TIMESTAMP, has_zone=has_zone), tuple(formats))


def forced_cast(cell: pl.Expr, forced: Forced) -> pl.Expr:
    """Return the value of a text cell; null where it does not fit."""
    kind = forced.kind
    match kind.type:
        case ColumnType.TEXT:
            return cell
        case ColumnType.BOOLEAN:
            lower = cell.str.to_lowercase()
            is_true = lower.is_in(_YES)
            return pl.when(is_true | lower.is_in(_NO)).then(is_true)
        case ColumnType.INTEGER:
            return (
                pl.when(cell.str.contains(_WHOLE))
                .then(cell)
                .cast(pl.Int64, strict=False)
            )
        case ColumnType.FLOAT:
            return _forced_float(plain_number(cell, kind.mark))
        case ColumnType.DECIMAL:
            return _forced_decimal(plain_number(cell, kind.mark), kind)
        case _:
            return pl.coalesce(_moment(cell, form, kind) for form in forced.formats)


def _forced_float(plain: pl.Expr) -> pl.Expr:
    value = plain.cast(pl.Float64, strict=False)
    is_number = plain.str.contains(_NUMBER) & value.is_finite()
    return pl.when(is_number | plain.str.contains(_INFINITE)).then(value)


def _forced_decimal(plain: pl.Expr, kind: Kind) -> pl.Expr:
    is_plain = plain.str.contains(r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$")
    return pl.when(is_plain).then(plain).cast(kind.dtype, strict=False)


def _moment(cell: pl.Expr, form: str, kind: Kind) -> pl.Expr:
    """Read a date or time by one format, without what the parser lets pass.

    It would skip spaces around the cell and take `24` for the year 24.
    """
    is_clean = ~cell.str.contains(r"^\s|\s$")
    if "%Y" in form:
        is_clean &= cell.str.contains(r"\d{4}")
    return pl.when(is_clean).then(_parsed(cell, form, kind))


def _parsed(cell: pl.Expr, form: str, kind: Kind) -> pl.Expr:
    if kind.type == ColumnType.DATE:
        return cell.str.to_date(form, strict=False)
    if kind.type == ColumnType.TIME:
        return cell.str.to_time(form, strict=False)
    if form == "%Y-%m-%d %H:%M" and not kind.has_zone:
        # A bare date is midnight; %H:%M alone cannot say so.
        midnight = pl.concat_str(cell, pl.lit(" 00:00"))
        bare = midnight.str.to_datetime(form, time_unit="us", strict=False)
        return pl.coalesce(
            cell.str.to_datetime(form, time_unit="us", strict=False), bare
        )
    return cell.str.to_datetime(
        form,
        time_unit="us",
        time_zone="UTC" if kind.has_zone else None,
        strict=False,
    )


# --- what was wrong --------------------------------------------------------------

_GROUPED = re.compile(r"^[+-]?\d{1,3}(?:[,' ]\d{3})+(?:\.\d+)?$")
_CURRENCY = re.compile(r"^[€$£¥]\s*|\s*(?:[€$£¥%]|CHF|EUR|USD)$")
_SLASH_DATE = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")


def explain(cell: str, forced: Forced) -> tuple[str, str, str | None]:
    """Return code, reason and suggestion for a cell that does not fit."""
    kind = forced.kind.type
    shown = repr(cell if len(cell) <= 100 else cell[:100] + "…")
    suggestion = _suggestion(cell, forced)
    if kind == ColumnType.INTEGER and re.match(_WHOLE, cell):
        return "out_of_range", f"{shown} does not fit into 64 bits.", None
    if kind == ColumnType.FLOAT and re.match(_NUMBER, cell):
        return "out_of_range", f"{shown} is too large for a float.", None
    is_day = kind in (ColumnType.DATE, ColumnType.TIMESTAMP)
    if is_day and len(forced.formats) > 1 and _SLASH_DATE.match(cell.strip()):
        reason = f"{shown} can be read in more than one way; say how with date_format."
        return "ambiguous_date", reason, None
    return f"invalid_{kind.value}", f"{shown} is no {kind.value}.", suggestion


def _suggestion(cell: str, forced: Forced) -> str | None:
    """Return the cell as it would fit, if a small change makes it so."""
    trimmed = cell.strip()
    bare = _CURRENCY.sub("", trimmed)
    candidates = [trimmed, bare]
    if _GROUPED.match(bare):
        candidates.append(re.sub("[,' ]", "", bare))
    if forced.kind.type in (ColumnType.FLOAT, ColumnType.DECIMAL):
        other = "," if forced.kind.mark == "." else "."
        candidates.append(bare.replace(other, forced.kind.mark))
    for candidate in candidates:
        if candidate and candidate != cell and _does_fit(candidate, forced):
            return candidate
    return None


def _does_fit(cell: str, forced: Forced) -> bool:
    value = forced_cast(pl.col("cell"), forced)
    found = pl.DataFrame({"cell": [cell]}).select(value).item()
    return found is not None
