"""Names of columns as they are written."""

import polars as pl
import polars.selectors as cs


def exactly(name: str) -> pl.Expr:
    """Return the column of this very name; `pl.col` takes `*` and `^a$` for patterns."""
    return cs.by_name(name).as_expr()
