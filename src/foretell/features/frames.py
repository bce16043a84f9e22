"""The features of whole tables: the same typed expressions, compiled to polars."""

import polars as pl

from foretell.core.columns import ColumnType
from foretell.expressions.polars_compiler import dtype_of, to_polars
from foretell.features.definition import Program


def expressions(program: Program) -> list[pl.Expr]:
    """An expression for each feature, named after it."""
    found = []
    for name, node in program.typed.items():
        value = to_polars(node)
        if node.type is not ColumnType.DECIMAL:
            value = value.cast(dtype_of(node.type))
        found.append(value.alias(name))
    return found
