"""The statements of one resource as asyncpg takes them, each compiled once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Dialect, Select, bindparam, func, insert, select

from foretell.resources.description import ResourceDescription
from foretell.resources.expanding import Tree, tree_of
from foretell.resources.fast.columns import item_type, stored_columns
from foretell.resources.fast.nesting import Nested, nested_in, targets_of
from foretell.resources.fast.rows import RowMaker
from foretell.resources.fast.sql import Prepared, prepare
from foretell.resources.plans import ListPlan
from foretell.resources.statements import new_value
from foretell.resources.store import compiled_of

MAX_STATEMENTS = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that reads, and what its rows are made into."""

    prepared: Prepared
    maker: RowMaker


@dataclass(frozen=True, slots=True)
class Expansion:
    """What an `expand` leads to."""

    tree: Tree
    targets: tuple[ResourceDescription, ...]

    @property
    def is_servable(self) -> bool:
        """Whether nothing but the database decides which rows are nested."""
        return not any(t.visible or t.renders_by_model for t in self.targets)


class FastStatements:
    """See the module's head."""

    def __init__(self, description: ResourceDescription, dialect: Dialect) -> None:
        self._description = description
        self._dialect = dialect
        self._compiled = compiled_of(description)
        self._columns = stored_columns(description)
        self._known: OrderedDict[Hashable, Any] = OrderedDict()
        self.maker = RowMaker(description)
        self.plans = self._compiled.plans(dialect.name)

    def expansion(self, expand: str) -> Expansion:
        """Read an `expand`.

        Raises:
            RelationUnknown, ParameterInvalid: As `tree_of`.
        """

        def build() -> Expansion:
            tree = tree_of(self._description, expand)
            return Expansion(tree, tuple(targets_of(self._description, tree)))

        return self._once(("expansion", expand), build)

    def get(self, *, is_owned: bool, expand: str | None, nests_owned: bool) -> Query:
        """One row, by `:key`, of `:owner` where that matters."""

        def build() -> Query:
            statements = self._compiled.statements
            statement = statements.get_owned if is_owned else statements.get
            return self._reading(statement, expand, nests_owned)

        return self._once(("get", is_owned, expand, nests_owned), build)

    def list_page(
        self, plan: ListPlan, expand: str | None, *, nests_owned: bool
    ) -> Query:
        """The rows of a plan."""
        return self._once(
            (plan.statement, expand, nests_owned),
            lambda: self._reading(plan.statement, expand, nests_owned),
        )

    def insert(self, names: tuple[str, ...]) -> Prepared:
        """One row; a value goes by `set_NAME`."""
        return self._once(("insert", names), lambda: self._insert(names))

    def insert_many(self, names: tuple[str, ...], arrays: tuple[str, ...]) -> Prepared:
        """Rows of the columns `names`; those in `arrays` come as one array each."""
        return self._once(
            ("insert many", names, arrays), lambda: self._insert_many(names, arrays)
        )

    def update(
        self, names: tuple[str, ...], *, is_owned: bool, has_version: bool
    ) -> Prepared:
        """New values of the row `:key`."""

        def build() -> Prepared:
            statement = self._compiled.statements.update(
                names, is_owned=is_owned, has_version=has_version
            )
            return prepare(statement.returning(*self._columns), self._dialect)

        return self._once(("update", names, is_owned, has_version), build)

    def delete(self, *, is_owned: bool, has_version: bool) -> Prepared:
        """The end of the row `:key`."""

        def build() -> Prepared:
            statement = self._compiled.statements.delete(
                is_owned=is_owned, has_version=has_version
            )
            key = self._description.key.column
            return prepare(statement.returning(key), self._dialect)

        return self._once(("delete", is_owned, has_version), build)

    def _insert(self, names: tuple[str, ...]) -> Prepared:
        statement = self._compiled.statements.insert(names)
        return prepare(statement.returning(*self._columns), self._dialect)

    def _insert_many(self, names: tuple[str, ...], arrays: tuple[str, ...]) -> Prepared:
        by_name = self._description.by_name
        sent = func.unnest(
            *(
                bindparam(new_value(n), type_=ARRAY(item_type(by_name[n])))
                for n in arrays
            )
        )
        places = [f"v{number}" for number in range(len(arrays))]
        rows: Any = sent.table_valued(*places).render_derived()
        columns = dict(zip(arrays, rows.c, strict=True))
        values = [
            (
                columns[name]
                if name in columns
                else bindparam(new_value(name), type_=by_name[name].column.type)
            )
            for name in names
        ]
        statement = (
            insert(self._description.table)
            .from_select([by_name[n].column for n in names], select(*values))
            .returning(*self._columns)
        )
        return prepare(statement, self._dialect)

    def _reading(
        self, statement: Select[Any], expand: str | None, nests_owned: bool
    ) -> Query:
        nested: list[Nested] = []
        if expand is not None:
            tree = self.expansion(expand).tree
            nested = nested_in(self._description, tree, is_owned=nests_owned)
        columns = [*self._columns, *(n.element for n in nested)]
        asked = statement.with_only_columns(*columns)
        maker = RowMaker(self._description, nested) if nested else self.maker
        return Query(prepare(asked, self._dialect), maker)

    def _once(self, shape: Hashable, build: Callable[[], T]) -> T:
        found: T | None = self._known.get(shape)
        if found is not None:
            self._known.move_to_end(shape)
            return found
        found = self._known[shape] = build()
        if len(self._known) > MAX_STATEMENTS:
            self._known.popitem(last=False)
        return found
