"""Tell a header row from a data row, and name the columns."""

import itertools
from collections.abc import Sequence

from foretell.tabular.cell_patterns import cell_class
from foretell.tabular.errors import ColumnsMissing

_LONGEST_NAME = 1000  # what is longer is no name but a damaged header
_MOSTLY = 0.8
_YEARS = range(1900, 2101)


def looks_like_header(row: Sequence[str], data: Sequence[Sequence[str]]) -> bool | None:
    """Judge a row by the rows after it; None where nothing speaks for or against.

    A column whose data are numbers, dates or booleans votes: its first cell is of
    the same class (data) or is text (a name).
    """
    votes = [
        _vote(row[index], [cells[index] for cells in data if index < len(cells)])
        for index in range(len(row))
    ]
    if True in votes:
        return True
    if False in votes:
        return _are_years(row)
    return None


def names_typed_columns(row: Sequence[str], data: Sequence[Sequence[str]]) -> bool:
    """Whether a row has texts in every column of numbers, dates or booleans.

    There must be two such columns: one odd cell makes no name.
    """
    votes = [
        _vote(row[index], [cells[index] for cells in data if index < len(cells)])
        for index in range(len(row))
    ]
    return votes.count(True) > 1 and False not in votes


def completes_names(above: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a row names just those columns that the row above leaves open.

    As below a group: `Name,Travel,,Total` and `,Air,Rail,`. It may name the column
    where a group starts too, and must leave out two others that have names.
    """
    if len(above) != len(below):
        return False
    is_open = [not name.strip() for name in above]
    starts = [later and not now for now, later in itertools.pairwise([*is_open, False])]
    named = [bool(cell.strip()) for cell in below]
    places = list(zip(is_open, starts, named, strict=True))
    left_out = sum(1 for gap, start, name in places if not (gap or start or name))
    return (
        any(is_open)
        and all(name for gap, _, name in places if gap)
        and not any(name for gap, start, name in places if not (gap or start))
        and left_out > 1
        and all(cell_class(cell) in ("text", "empty") for cell in below)
    )


def joined_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the names that several rows give together.

    A name above others is that of a group, and goes for the empty cells on its right
    that have a name below.
    """
    width = max(map(len, rows))  # a header may lack the delimiter that ends each row
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    spread: list[list[str]] = []
    for place, row in enumerate(rows):
        cells: list[str] = []
        for column, cell in enumerate(row):
            has_name = any(lower[column].strip() for lower in rows[place + 1 :])
            is_open = not cell.strip() and column > 0 and has_name
            cells.append(cells[-1] if is_open else cell.strip())
        spread.append(cells)
    return [" ".join(filter(None, names)) for names in zip(*spread, strict=True)]


def _vote(cell: str, column: Sequence[str]) -> bool | None:
    classes = [kind for kind in map(cell_class, column) if kind != "empty"]
    first = cell_class(cell)
    if not classes or first == "empty":
        return None
    common = max(sorted(set(classes)), key=classes.count)
    if common == "text" or classes.count(common) < _MOSTLY * len(classes):
        return None
    if first == common:
        return False
    return True if first == "text" else None


def _are_years(row: Sequence[str]) -> bool:
    """A pivoted table names its columns by years, after one or more texts."""
    numbers = [cell.strip() for cell in row if cell_class(cell) == "number"]
    if len(numbers) < 2 or cell_class(row[0]) == "number":
        return False
    if not all(number.isdigit() and int(number) in _YEARS for number in numbers):
        return False
    years = [int(number) for number in numbers]
    return all(later > earlier for earlier, later in itertools.pairwise(years))


def is_header(row: Sequence[str], data: Sequence[Sequence[str]]) -> bool:
    """Decide whether the first row names the columns."""
    data = [cells for cells in data if list(cells) != list(row)]
    judged = looks_like_header(row, data)
    if judged is not None:
        return judged
    if not data:
        return all(cell_class(cell) in ("text", "empty") for cell in row)
    names = [cell.strip() for cell in row]
    is_named = sum(1 for name in names if not name) <= 1
    repeats = any(
        index < len(cells) and cells[index].strip() == name
        for index, name in enumerate(names)
        for cells in data
        if name
    )
    return is_named and len(set(names)) == len(names) and not repeats


def column_names(header: Sequence[str]) -> list[str]:
    """Return unique names: as written, trimmed; blank → `column_N`; repeated → `_2`."""
    written = [
        name.strip()[:_LONGEST_NAME] or f"column_{n}"
        for n, name in enumerate(header, 1)
    ]
    as_written = set(written)
    used: set[str] = set()
    names: list[str] = []
    for name in written:
        unique, count = name, 1
        while unique in used or (count > 1 and unique in as_written):
            count += 1
            unique = f"{name}_{count}"
        used.add(unique)
        names.append(unique)
    return names


def with_required(names: Sequence[str], required: Sequence[str]) -> list[str]:
    """Return `names` with the required ones spelled as the caller spells them.

    Whoever needs `email` is served by `Email` too: where no column has the very name,
    one that differs in letter case alone takes it.

    Raises:
        ColumnsMissing: Names are required that no column has.
    """
    found = {name: name for name in names if name in required}
    for name in required:
        same = [n for n in names if n.casefold() == name.casefold()]
        if name not in found and same:
            found[same[0]] = name
    missing = [name for name in required if name not in found.values()]
    if missing:
        raise ColumnsMissing(missing, names)
    return [found.get(name, name) for name in names]
