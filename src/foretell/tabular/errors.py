"""Refusals of a whole file: what no row-by-row reject could express."""

from collections.abc import Sequence

from foretell.errors import FieldError, Invalid, TooLarge, UnsupportedFormat


class EmptyFile(Invalid):
    """There is no byte, or no line with anything on it."""

    slug = "empty"

    def __init__(self) -> None:
        super().__init__("The file is empty: it holds no header and no rows.")


class NotATable(UnsupportedFormat):
    """The bytes are of a kind this reader does not read."""

    slug = "not-a-table"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"The file is {kind}, which is not read. What is read: CSV and other"
            " delimited text, JSON and NDJSON, workbooks (XLSX, XLSB, XLS, ODS),"
            " Parquet and Arrow; also packed by gzip, Zstandard or ZIP.",
            kind=kind,
        )


class OtherFormat(UnsupportedFormat):
    """The caller named a format, and the bytes are of another."""

    slug = "other-format"

    def __init__(self, wanted: str, kind: str) -> None:
        super().__init__(
            f"The option format says {wanted!r}, but the file is {kind}.", kind=kind
        )


class DamagedFile(Invalid):
    """The file starts as one of its kind does, but cannot be read as one."""

    slug = "damaged-file"

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"The file is {kind} that cannot be read: {reason}", kind=kind)


class ArchiveMember(Invalid):
    """Which file of an archive is meant is not said, or there is none of that name."""

    slug = "archive-member"

    def __init__(self, wanted: str | None, members: list[str]) -> None:
        shown = ", ".join(map(repr, members[:50])) or "no file that can be read"
        said = (
            "The archive holds several files; name one with the option member."
            if wanted is None and members
            else (
                f"The archive has no single file {wanted!r}."
                if wanted is not None
                else "The archive is empty."
            )
        )
        super().__init__(f"{said} It has: {shown}.", members=members[:50])


class SheetNotFound(Invalid):
    """The workbook has no sheet of that name, or not so many."""

    slug = "sheet-not-found"

    def __init__(self, wanted: str | int, sheets: list[str]) -> None:
        shown = ", ".join(map(repr, sheets[:50]))
        super().__init__(
            f"The workbook has no sheet {wanted!r}. It has: {shown}.",
            sheets=sheets[:50],
        )


class SheetTooLarge(TooLarge):
    """A sheet is held in memory as a whole, and this one would not fit."""

    slug = "sheet-too-large"


class ColumnUnsupported(Invalid):
    """A column of the file is of a type that no dataset column has."""

    slug = "column-unsupported"

    def __init__(self, column: str, kind: str) -> None:
        super().__init__(
            f"Column {column!r} is of the type {kind[:100]}, which cannot be stored."
            " Write it as text, or leave it out.",
            column=column,
        )


class HeaderWidth(Invalid):
    """No row has as many cells as the header has names: which is which is unknown."""

    slug = "header-width"

    def __init__(self, names: int, cells: int) -> None:
        super().__init__(
            f"The header names {names} columns, but every row has {cells} cells."
            " Correct the header, or import with the option header: false.",
            names=names,
            cells=cells,
        )


class ColumnsMissing(Invalid):
    """The table lacks columns that the caller says it must have."""

    slug = "columns-missing"

    def __init__(self, missing: Sequence[str], found: Sequence[str]) -> None:
        super().__init__(
            f"Columns are missing: {', '.join(missing)}."
            f" The file has: {', '.join(found[:50])}.",
            missing=list(missing),
            found=list(found[:50]),
        )


class TooManyColumns(TooLarge):
    slug = "too-many-columns"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The table has more than {limit} columns, the most that are read.",
            limit=limit,
        )


class TooSparse(TooLarge):
    """A table of all keys and all rows would hold next to nothing, many times over."""

    slug = "too-sparse"

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(
            f"The {rows:,} objects of the file have {columns:,} different keys in all;"
            " a table of so many columns would be empty nearly everywhere. Split the"
            " file by kind of object.",
            rows=rows,
            columns=columns,
        )


class MacrosRefused(UnsupportedFormat):
    """The workbook brings code. It would never be run, but its file would be kept."""

    slug = "workbook-macros"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"The file is {kind} with macros. Save it without them (as XLSX), or say"
            ' the option macros: "ignore" to have its cells read; no macro is ever run.',
            kind=kind,
        )


class UnsafeArchive(Invalid):
    """An archive names a member that would be written outside of its folder."""

    slug = "unsafe-archive"

    def __init__(self, member: str, what: str) -> None:
        super().__init__(
            f"The archive is not opened: its member {member[:200]!r} {what}.",
            member=member[:200],
        )


class InflatedTooLarge(TooLarge):
    slug = "inflated-too-large"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The compressed file {reason}; it was not unpacked further.")


class BadOption(Invalid):
    """An import option that cannot be followed."""

    slug = "import-option"


class SqlInvalid(Invalid):
    """The engine does not take the SQL; its message says where."""

    slug = "sql-invalid"

    def __init__(self, message: str) -> None:
        super().__init__(
            f"The SQL cannot be run: {message}",
            errors=[FieldError("/sql", message[:500], "sql_invalid")],
        )


class SqlRefused(Invalid):
    """The statement is SQL, but not of the part that may be used."""

    slug = "sql-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason} One SELECT over your datasets is what runs here.",
            errors=[FieldError("/sql", reason, "sql_refused")],
        )


class SqlTableUnknown(Invalid):
    """The statement names a table that is no dataset the caller may see."""

    slug = "sql-table-unknown"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no dataset {name!r} that you may read.",
            errors=[FieldError("/sql", "names no dataset", "sql_table_unknown")],
            table=name,
        )


class SqlTooLarge(Invalid):
    """The statement needs more memory than one statement gets."""

    slug = "sql-too-large"

    def __init__(self) -> None:
        super().__init__(
            "The statement needs more memory than one statement gets; filter or "
            "group earlier, or select fewer columns.",
            errors=[FieldError("/sql", "needs too much memory", "sql_too_large")],
        )


class SqlTimedOut(Invalid):
    """The statement was stopped at its time limit."""

    slug = "sql-timed-out"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The statement was stopped after {seconds:g} s, its time limit.",
            errors=[FieldError("/sql", "takes too long", "sql_timed_out")],
            timeout_s=seconds,
        )


class KeyNotUnique(Invalid):
    """The columns that should tell rows apart do not."""

    slug = "key-not-unique"

    def __init__(self, key: list[str], side: str) -> None:
        super().__init__(
            f"The columns {', '.join(key)} do not tell the rows of `{side}` apart; "
            "choose others, or compare without a key.",
            errors=[FieldError("/query/key", "is not unique", "key_not_unique")],
        )
