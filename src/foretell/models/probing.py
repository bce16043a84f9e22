"""Makes the rows on which a twin must answer as its model does.

A conversion is rarely wrong on ordinary rows. It is wrong where two representations
of one number part: at a tree's threshold, on integers that float32 cannot hold, on
missing values and on categories nobody has seen. So those rows are made on purpose,
from a fixed seed: the same model gets the same proof.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.models.ports import Batch, Hints
from foretell.models.signature import InputField, Signature

MAX_THRESHOLDS = 600
_BACKGROUND_ROWS = 500
_FAR_ROWS, _FAR = 60, 1000.0
_EXAMPLE_ROWS = 2000
_MAX_TRIES = 300
_UNSEEN = "\u2205 never seen"
_BIG = (2.0**24 + 1, 2.0**24 + 3, 1_000_000_007.0, 1_763_992_801.0, -(2.0**24) - 1)

Row = dict[str, Any]


@dataclass(slots=True)
class Probes:
    """Rows by column, and for each row why it is there."""

    columns: dict[str, list[Any]] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        return {kind: self.why.count(kind) for kind in dict.fromkeys(self.why)}

    def row(self, index: int) -> Row:
        """One probe row."""
        return {name: values[index] for name, values in self.columns.items()}


def make_probes(
    signature: Signature, hints: Hints, examples: Mapping[str, Any] | None = None
) -> Probes:
    """Make the probe rows of a model.

    Args:
        examples: The caller's sample rows under the input names, if any.
    """
    source = _Source(signature, hints, examples or {})
    probes = Probes({name: [] for name in signature.names})
    for why, row in source.rows():
        probes.why.append(why)
        for name, values in probes.columns.items():
            values.append(row[name])
    return probes


class _Source:
    def __init__(
        self, signature: Signature, hints: Hints, examples: Mapping[str, Any]
    ) -> None:
        self._random = np.random.default_rng(20_261_124)
        self._fields = signature.inputs
        self._hints = hints
        self._examples = {
            name: _listed(values[:_EXAMPLE_ROWS]) for name, values in examples.items()
        }
        self._pools = {one.name: self._pool(one) for one in self._fields}

    def rows(self) -> Iterator[tuple[str, Row]]:
        yield from self._example_rows()
        for _ in range(_BACKGROUND_ROWS):
            yield "background", self._any_row()
        for _ in range(_FAR_ROWS):
            yield "far", self._far_row()
        yield from self._edge_rows()
        yield from self._threshold_rows()

    def _example_rows(self) -> Iterator[tuple[str, Row]]:
        if not self._examples:
            return
        count = min(len(values) for values in self._examples.values())
        for index in range(count):
            row = {name: values[index] for name, values in self._examples.items()}
            if all(_is_allowed(one, row[one.name]) for one in self._fields):
                yield "example", row

    def _any_row(self) -> Row:
        return {name: self._pick(name) for name in self._pools}

    def _pick(self, name: str) -> Any:
        pool = self._pools[name]
        return pool[self._random.integers(len(pool))]

    def _far_row(self) -> Row:
        """All numbers far out at once: sums of large terms lose what is left of them."""
        return {
            one.name: (
                value * _FAR
                if one.type == "float" and not one.closed and value is not None
                else value
            )
            for one in self._fields
            for value in [self._pick(one.name)]
        }

    def _edge_rows(self) -> Iterator[tuple[str, Row]]:
        for one in self._fields:
            for why, value in self._edges(one):
                for _ in range(3):
                    yield why, {**self._any_row(), one.name: value}

    def _edges(self, one: InputField) -> Iterator[tuple[str, Any]]:
        if one.nullable:
            yield "missing", None
        if one.min is not None and one.max is not None:
            yield "range", one.min
            yield "range", one.max
        if one.type == "text" and not one.closed:
            yield "unseen", _UNSEEN
            yield "empty", ""
        if one.type in ("integer", "float") and not one.closed:
            as_number = int if one.type == "integer" else float
            for value in (*_BIG, 0.0, -1.0):
                yield "large" if abs(value) > 2 else "small", as_number(value)

    def _threshold_rows(self) -> Iterator[tuple[str, Row]]:
        pairs = [
            (name, value)
            for name, values in self._hints.thresholds.items()
            for value in values
        ]
        if len(pairs) > MAX_THRESHOLDS:
            chosen = self._random.choice(len(pairs), MAX_THRESHOLDS, replace=False)
            pairs = [pairs[index] for index in np.sort(chosen)]
        types = {one.name: one for one in self._fields}
        for name, value in pairs:
            one = types[name]
            for near in _around(value, whole=one.type == "integer"):
                if not one.closed and one.type != "boolean":
                    yield "threshold", {**self._any_row(), name: near}

    def _pool(self, one: InputField) -> list[Any]:
        """Values from which ordinary rows are drawn."""
        pool: list[Any] = list(self._examples.get(one.name, []))
        if one.values:
            pool += list(one.values)
        if one.type == "boolean":
            pool += [True, False]
        elif one.type == "text":
            pool = pool or ["a", "b", "some words of text", ""]
        elif not one.closed:
            numbers = self._numbers(one).tolist()
            pool += [round(v) for v in numbers] if one.type == "integer" else numbers
        allowed = [value for value in pool if _is_allowed(one, value)]
        return allowed or pool

    def _numbers(self, one: InputField) -> npt.NDArray[np.float64]:
        """Plausible numbers for a column: near its splits, within its range."""
        splits = np.asarray(self._hints.thresholds.get(one.name, ()), dtype=np.float64)
        low, high = self._hints.ranges.get(one.name, (None, None))
        if one.min is not None and one.max is not None:
            low, high = float(one.min), float(one.max)
        if low is None and len(splits):
            low, high = float(splits.min()), float(splits.max())
        if low is None or high is None:
            return self._random.normal(0, 2, 100)
        margin = (high - low) * 0.1 or 1.0
        return self._random.uniform(low - margin, high + margin, 100)


def _around(value: float, *, whole: bool) -> Iterator[Any]:
    """A threshold, and its neighbours in double and in single precision."""
    if not np.isfinite(value) or abs(value) > 1e18:
        return
    if whole:
        yield from (int(np.floor(value)), int(np.floor(value)) + 1)
        return
    single = np.float32(value)
    yield float(value)
    for direction in (-np.inf, np.inf):
        yield float(np.nextafter(value, direction))
        yield float(np.nextafter(single, np.float32(direction)))
    yield float(single)


def _listed(values: Any) -> list[Any]:
    return [
        None if isinstance(value, float) and value != value else value
        for value in np.asarray(values).tolist()
    ]


def _is_allowed(one: InputField, value: Any) -> bool:
    if value is None:
        return one.nullable
    return not one.closed or value in (one.values or ())


def answerable(
    probes: Probes, answer: Callable[[Batch], Any]
) -> tuple[Probes, Any, Sequence[str]]:
    """Drop the rows that the model itself cannot answer.

    Returns:
        The rows left, the model's answers to them, and the kinds that lost rows.

    Raises:
        Exception: Whatever the model raises, if it answers none of the rows.
    """
    failure: Exception | None = None
    good: list[int] = []
    pending = [list(range(len(probes.why)))]
    for _ in range(_MAX_TRIES):
        if not pending:
            break
        places = pending.pop()
        try:
            answer(_only(probes, places).columns)
        except MemoryError:
            raise
        except Exception as error:  # a model may raise anything on a row
            failure = failure or error
            if len(places) > 1:
                middle = len(places) // 2
                pending += [places[middle:], places[:middle]]
            continue
        good += places
    if not good and failure is not None:
        raise failure
    left = _only(probes, sorted(good))
    lost = sorted(
        {probes.why[place] for place in set(range(len(probes.why))) - set(good)}
    )
    return left, answer(left.columns), lost


def _only(probes: Probes, places: list[int]) -> Probes:
    columns = {
        name: [values[place] for place in places]
        for name, values in probes.columns.items()
    }
    return Probes(columns, [probes.why[place] for place in places])
