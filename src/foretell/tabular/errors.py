"""Refusals of a whole file: what no row-by-row reject could express."""

from collections.abc import Sequence

from foretell.errors import Invalid, TooLarge, UnsupportedFormat


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


class InflatedTooLarge(TooLarge):
    slug = "inflated-too-large"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The compressed file {reason}; it was not unpacked further.")


class BadOption(Invalid):
    """An import option that cannot be followed."""

    slug = "import-option"
