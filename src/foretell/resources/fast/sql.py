"""Statements compiled once for asyncpg: text, and which value goes where."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ARRAY, ClauseElement, Dialect
from sqlalchemy.types import TypeEngine

from foretell.core.db import UtcDateTime

Convert = Callable[[Any], Any] | None


class Prepared:
    """SQL with `$1 …`, and how its arguments are made of named values."""

    __slots__ = ("_names", "_slots", "text")

    def __init__(self, text: str, slots: list[tuple[str | None, Convert, Any]]) -> None:
        self.text = text
        self._slots = slots
        # Most statements take their values as they are.
        is_plain = all(n is not None and c is None for n, c, _ in slots)
        self._names = [n for n, _, _ in slots if n is not None] if is_plain else None

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The arguments, in order; `values` holds those that no literal gives."""
        if self._names is not None:
            return [values[name] for name in self._names]
        return [
            (
                constant
                if name is None
                else values[name] if convert is None else convert(values[name])
            )
            for name, convert, constant in self._slots
        ]


def prepare(statement: ClauseElement, dialect: Dialect) -> Prepared:
    """Compile a statement whose open parameters are required binds."""
    compiled: Any = statement.compile(
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    slots: list[tuple[str | None, Convert, Any]] = []
    for name in compiled.positiontup or ():
        bind = compiled.binds.get(name)
        convert = None if bind is None else converter_of(bind.type, dialect)
        if bind is not None and bind.required:
            slots.append((name, convert, None))
        else:
            constant = compiled.params[name]
            slots.append((None, None, convert(constant) if convert else constant))
    return Prepared(str(compiled), slots)


def converter_of(type_: TypeEngine[Any], dialect: Dialect) -> Convert:
    """Turns a value into what the driver takes for a type; `None` where it is that."""
    if isinstance(type_, UtcDateTime):
        return None  # the driver takes any time zone
    if isinstance(type_, ARRAY):
        of_item = converter_of(type_.item_type, dialect)
        return None if of_item is None else lambda items: [of_item(i) for i in items]
    convert: Convert = type_.dialect_impl(dialect).bind_processor(dialect)
    return convert
