"""What a caller may ask of rows: select, where, sort, cursor, turned into a query.

A cursor carries everything that decides which rows come next (version, select,
where, sort, position), so it suffices alone and pages cannot shift. A parameter
sent beside it must say the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foretell.core.columns import Column
from foretell.core.pagination import Cursors
from foretell.datasets.errors import ColumnUnknown, ParameterInvalid
from foretell.datasets.ports import Derived, Position, RowsQuery, SortKey
from foretell.expressions.check import check, parse_condition
from foretell.expressions.own import OwnFunctions
from foretell.expressions.parser import parse
from foretell.expressions.typed import TypedNode

PURPOSE = "rows"
MAX_SORT_KEYS = 8


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """The parameters of one rows call, as sent or as found in its cursor."""

    dataset_id: str
    version: int
    select: str | None = None
    where: str | None = None
    sort: str | None = None
    position: Position | None = None

    def cursor(self, cursors: Cursors, position: Position | None) -> str | None:
        """The cursor that goes on at `position`."""
        if position is None:
            return None
        state = [self.dataset_id, self.version, self.select, self.where, self.sort]
        return cursors.encode(PURPOSE, [*state, dict(position)])

    def query(self, columns: Sequence[Column], functions: OwnFunctions) -> RowsQuery:
        """Check every name and the condition against the columns of the version.

        Raises:
            ColumnUnknown: `select` or `sort` names what is not there.
            ExpressionInvalid: `where` is not a condition over the columns.
        """
        types = {column.name: column.type for column in columns}
        return RowsQuery(
            select=selected(self.select, list(types)),
            where=parse_condition(self.where, types, functions) if self.where else None,
            sort=sort_keys(self.sort, list(types)),
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of a version, with columns that are computed while reading."""

    where: TypedNode | None
    derived: Derived

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        where: str | None,
        derive: Mapping[str, str] | None = None,
        *,
        functions: OwnFunctions,
    ) -> "Selection":
        """Check the condition and the derived columns against those of a version.

        Args:
            functions: Those that extensions add to the language.
            derive: Expression over the stored columns, by name. The condition sees
                the derived columns in the place of those they replace.

        Raises:
            ExpressionInvalid: One of them does not fit the columns.
        """
        stored = {column.name: column.type for column in columns}
        derived = {
            name: check(parse(text), stored, functions)
            for name, text in (derive or {}).items()
        }
        types = stored | {name: node.type for name, node in derived.items()}
        condition = parse_condition(where, types, functions) if where else None
        return cls(condition, derived)


@dataclass(frozen=True, slots=True)
class Sent:
    """The parameters of a rows call that say which rows; `None` was not sent."""

    version: int | None = None
    select: str | None = None
    where: str | None = None
    sort: str | None = None
    after_row: int | None = None
    seek: float | None = None

    def named(self) -> Mapping[str, Any]:
        return {
            "version": self.version,
            "select": self.select,
            "where": self.where,
            "sort": self.sort,
        }


def request_of_cursor(cursors: Cursors, cursor: str, sent: Sent) -> RowsRequest:
    """The request that a cursor continues.

    Raises:
        CursorInvalid: It was not made for rows by this server.
        ParameterInvalid: A parameter contradicts it.
    """
    state = cursors.decode(PURPOSE, cursor)
    request = RowsRequest(*state)
    for name in ("after_row", "seek"):
        if getattr(sent, name) is not None:
            raise ParameterInvalid(name, "cannot be combined with a cursor")
    for name, value in sent.named().items():
        if value is not None and value != getattr(request, name):
            raise ParameterInvalid(name, "contradicts the cursor; leave it out")
    return request


def selected(
    text: str | None, columns: Sequence[str], parameter: str = "select"
) -> list[str]:
    """Column names of `select=a,"b c"`, all columns when it is not given."""
    if text is None:
        return list(columns)
    names = [name for name, _ in split_names(parameter, text)]
    for name in names:
        if name not in columns:
            raise ColumnUnknown(parameter, name, list(columns))
    if len(set(names)) != len(names):
        raise ParameterInvalid(parameter, "names a column twice")
    return names


def sort_keys(text: str | None, columns: Sequence[str]) -> list[SortKey]:
    """Keys of `sort=-age,name`; a leading `-` sorts downwards."""
    if text is None:
        return []
    keys = [
        SortKey(n, is_down) for n, is_down in split_names("sort", text, signed=True)
    ]
    for key in keys:
        if key.column not in columns:
            raise ColumnUnknown("sort", key.column, list(columns))
    if len(keys) > MAX_SORT_KEYS:
        raise ParameterInvalid("sort", f"takes at most {MAX_SORT_KEYS} columns")
    if len({key.column for key in keys}) != len(keys):
        raise ParameterInvalid("sort", "names a column twice")
    return keys


@dataclass(slots=True)
class _Reader:
    """Reads `a,-"b ""c"" d"` from left to right."""

    parameter: str
    text: str
    at: int = 0
    items: list[tuple[str, bool]] = field(default_factory=list)

    def read(self, *, signed: bool) -> list[tuple[str, bool]]:
        while True:
            is_down = signed and self.text.startswith("-", self.at)
            self.at += is_down
            self.items.append((self._name(), is_down))
            if self.at == len(self.text):
                return self.items
            if self.text[self.at] != ",":
                raise ParameterInvalid(self.parameter, "needs a comma between columns")
            self.at += 1

    def _name(self) -> str:
        if self.text.startswith('"', self.at):
            return self._quoted()
        end = self.text.find(",", self.at)
        end = len(self.text) if end < 0 else end
        name, self.at = self.text[self.at : end].strip(), end
        if not name:
            raise ParameterInvalid(self.parameter, "holds an empty column name")
        return name

    def _quoted(self) -> str:
        parts = []
        self.at += 1
        while True:
            end = self.text.find('"', self.at)
            if end < 0:
                raise ParameterInvalid(self.parameter, "has a quote that never closes")
            parts.append(self.text[self.at : end])
            self.at = end + 1
            if not self.text.startswith('"', self.at):
                return "".join(parts)
            parts.append('"')
            self.at += 1


def split_names(
    parameter: str, text: str, *, signed: bool = False
) -> list[tuple[str, bool]]:
    """Split a list of column names; `"…"` may hold commas, `""` is one quote.

    Returns:
        Each name and whether a `-` stood before it (only when `signed`).
    """
    return _Reader(parameter, text).read(signed=signed)
