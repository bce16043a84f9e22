"""A statement compiled once and for all, to be run on a driver's own connection.

SQLAlchemy spends more time on finding a statement in its cache, and on sessions and
results, than SQLite takes to run it. A worker runs three statements all day: they
are compiled when it starts, and what remains is to put values in their places.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Float
from sqlalchemy.engine import Dialect

_Processor = Callable[[Any], Any]


class Prepared:
    """Text for a driver, with converters for what goes in and what comes out.

    Args:
        statement: Its `bindparam`s with names are the arguments; all other values
            are constants.
        columns: Of the answer, in order.
    """

    def __init__(
        self, statement: Any, dialect: Dialect, columns: Sequence[Any] = ()
    ) -> None:
        options = {"render_postcompile": True}
        compiled: Any = statement.compile(dialect=dialect, compile_kwargs=options)
        constants = compiled.construct_params(_check=False)
        self.text = str(compiled)
        self.names = [column.name for column in columns]
        self._places = [
            (name, _into(compiled.binds.get(name), dialect))
            for name in compiled.positiontup
        ]
        self._constants = {
            name: value if into is None or value is None else into(value)
            for name, into in self._places
            for value in [constants.get(name)]
        }
        self._from = [_out_of(column, dialect) for column in columns]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in the driver's order and form."""
        constants = self._constants
        return [
            (
                constants[name]
                if name not in values
                else (values[name] if into is None else into(values[name]))
            )
            for name, into in self._places
        ]

    def read(self, row: Iterable[Any]) -> dict[str, Any]:
        """One row of the answer by column name."""
        return {
            name: value if convert is None else convert(value)
            for name, convert, value in zip(self.names, self._from, row, strict=True)
        }


def _into(bind: Any, dialect: Dialect) -> _Processor | None:
    # What an IN list expands to has no bind of its own: it is text.
    if bind is None:
        return None
    convert: _Processor | None = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _out_of(column: Any, dialect: Dialect) -> _Processor | None:
    # Every driver answers a float for one, and asks here for the type it had.
    if isinstance(column.type, Float):
        return None
    implementation = column.type.dialect_impl(dialect)
    convert: _Processor | None = implementation.result_processor(dialect, None)
    return convert
