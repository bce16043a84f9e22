"""Steps that choose, add and match rows, as operations that go through batches."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.core.columns import ColumnType
from foretell.expressions.polars_compiler import to_polars
from foretell.recipes import row_steps as steps
from foretell.recipes.engine.casts import naive
from foretell.recipes.engine.operations import (
    Kept,
    Operation,
    Outcome,
    column,
)
from foretell.recipes.engine.tables import Table
from foretell.recipes.planning import Columns

Others = Mapping[str, Table]
_POSITION = "\x00position"


def filter_rows(step: steps.Filter, columns: Columns, _others: Others) -> Operation:
    return Kept(to_polars(columns.condition(step.where, "/where")))


def drop_null(step: steps.DropNull, columns: Columns, _others: Others) -> Operation:
    tests = [column(name).is_not_null() for name in step.columns or columns]
    if step.how == "all":
        return Kept(pl.any_horizontal(tests))
    return Kept(pl.all_horizontal(tests))


class Chosen(Operation):
    """Keeps rows by their position, once all were looked at.

    Args:
        choose: From the whole table, a mask of the rows to keep.
    """

    needs_table = True

    def __init__(self, choose: Callable[[Table], NDArray[np.bool_]]) -> None:
        self._choose = choose
        self._kept: NDArray[np.bool_] = np.zeros(0, bool)
        self._done = 0

    def prepare(self, table: Table, columns: Columns) -> None:
        self._kept = self._choose(table)

    def apply(self, frame: pl.DataFrame) -> Outcome:
        mask = self._kept[self._done : self._done + frame.height]
        self._done += frame.height
        return Outcome(frame.filter(pl.Series(mask)))


def dedupe(step: steps.Dedupe, columns: Columns, _others: Others) -> Operation:
    keys = list(step.columns or columns)
    return Chosen(partial(distinct_rows, keys=keys, keep=step.keep))


def distinct_rows(table: Table, *, keys: list[str], keep: str) -> NDArray[np.bool_]:
    """A mask of the rows to keep of those with equal keys. Only the keys are held."""
    position = pl.col(_POSITION)
    chosen = position.max() if keep == "last" else position.min()
    named = {f"k{index}": name for index, name in enumerate(keys)}
    groups = (
        table.scan()
        .select(column(name).alias(short) for short, name in named.items())
        .with_row_index(_POSITION)
        .group_by(list(named))
        .agg(chosen.alias(_POSITION), pl.len().alias("n"))
    )
    if keep == "none":
        groups = groups.filter(pl.col("n") == 1)
    found = groups.select(position).collect(engine="streaming").to_series()
    mask = np.zeros(table.rows, bool)
    mask[found.to_numpy()] = True
    return mask


def sample(step: steps.Sample, _columns: Columns, _others: Others) -> Operation:
    return Chosen(partial(_sampled, step=step))


def _sampled(table: Table, *, step: steps.Sample) -> NDArray[np.bool_]:
    hashes = row_hashes(table.rows, step.seed)
    if step.fraction is not None:
        return np.asarray(hashes < np.uint64(int(step.fraction * 2.0**64)))
    mask = np.zeros(table.rows, bool)
    count = min(step.rows or 0, table.rows)
    mask[np.argpartition(hashes, max(count - 1, 0))[:count]] = count > 0
    return mask


def row_hashes(count: int, seed: int) -> NDArray[np.uint64]:
    """A number for each row that looks random and depends on place and seed alone.

    Source:
        splitmix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
        Generators", OOPSLA 2014.
    """
    gamma = np.uint64(0x9E3779B97F4A7C15)
    z = np.arange(1, count + 1, dtype=np.uint64) * gamma
    z += np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return found


def join(step: steps.Join, columns: Columns, others: Others) -> Operation:
    return _Joined(step, columns, others[columns.here])


class _Joined(Operation):
    """The other table is held in memory; ours goes by."""

    def __init__(self, step: steps.Join, columns: Columns, other: Table) -> None:
        self._how = step.how
        self._added = step.added(columns)
        types = [columns[key] for key in step.keys]
        self._keys = [
            _key(key, type) for key, type in zip(step.keys, types, strict=True)
        ]
        theirs = step.keys.values()
        keys = [
            _key(key, type).alias(f"\x00k{index}")
            for index, (key, type) in enumerate(zip(theirs, types, strict=True))
        ]
        added = [column(name).alias(new) for name, new in self._added.items()]
        self._other = other.scan().select([*keys, *added]).collect()
        self._names = [f"\x00k{index}" for index in range(len(keys))]

    def apply(self, frame: pl.DataFrame) -> Outcome:
        ordered: Any = {} if self._how in ("semi", "anti") else _IN_ORDER
        keyed = frame.with_columns(
            key.alias(f"\x00m{index}") for index, key in enumerate(self._keys)
        )
        mine = [f"\x00m{index}" for index in range(len(self._keys))]
        made = keyed.join(
            self._other,
            left_on=mine,
            right_on=self._names,
            how=self._how,
            coalesce=True,
            **ordered,
        ).drop(mine)
        new = list(self._added.values())
        changed = 0
        if new and made.height:
            found = pl.any_horizontal(column(name).is_not_null() for name in new)
            changed = int(made.select(found.sum()).item())
        return Outcome(made, changed)


_IN_ORDER = {"maintain_order": "left_right"}


def _key(name: str, type: ColumnType) -> pl.Expr:
    """A key; moments with and without a zone meet in UTC."""
    return naive(column(name)) if type is ColumnType.TIMESTAMP else column(name)


def union(step: steps.Union, columns: Columns, others: Others) -> Operation:
    return _United(step.plan(columns), columns, others[columns.here])


class _United(Operation):
    def __init__(self, planned: Columns, columns: Columns, other: Table) -> None:
        self._planned = planned
        self._mine = columns
        self._other = other
        self._theirs = other.empty()
        self._schema: dict[str, Any] = {}

    def apply(self, frame: pl.DataFrame) -> Outcome:
        if not self._schema:
            self._schema = self._united(frame)
        return Outcome(self._fitted(frame))

    def rest(self) -> Iterator[pl.DataFrame]:
        yield from self._other.batches()

    def _united(self, frame: pl.DataFrame) -> dict[str, Any]:
        """The exact type of each column that both sides fit."""
        schema: dict[str, Any] = {}
        for name, type in self._planned.items():
            sides = [f.schema[name] for f in (frame, self._theirs) if name in f.columns]
            schema[name] = sides[0] if type is not ColumnType.FLOAT else pl.Float64()
            if type is ColumnType.DECIMAL:
                scale = max(getattr(side, "scale", 0) for side in sides)
                schema[name] = pl.Decimal(38, scale)
        return schema

    def _fitted(self, frame: pl.DataFrame) -> pl.DataFrame:
        def value(name: str, dtype: Any) -> pl.Expr:
            if name not in frame.columns:
                return pl.lit(None, dtype=dtype).alias(name)
            found = column(name)
            if isinstance(dtype, pl.Datetime):
                return _moment(found, frame.schema[name], dtype).alias(name)
            return found.cast(dtype)

        return frame.with_columns(value(n, dtype) for n, dtype in self._schema.items())


def _moment(value: pl.Expr, source: Any, target: pl.Datetime) -> pl.Expr:
    if target.time_zone is None:
        return naive(value)
    if getattr(source, "time_zone", None) is None:
        return value.dt.replace_time_zone("UTC")
    return value.cast(target)


BUILDERS: Mapping[type[Any], Callable[[Any, Columns, Others], Operation]] = {
    steps.Filter: filter_rows,
    steps.DropNull: drop_null,
    steps.Dedupe: dedupe,
    steps.Sample: sample,
    steps.Join: join,
    steps.Union: union,
}
