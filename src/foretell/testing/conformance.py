"""What a function, step, flavour, connector or executor has to do to be one.

A team's own test calls these with what it made; Foretell's tests call them with what is
built in. Each fails by an AssertionError that says what is missing.
"""

import queue
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from foretell.core.columns import ColumnType
from foretell.core.connectors import (
    Chunk,
    Connector,
    ForeignColumn,
    Mode,
    Sink,
    Source,
    SourceKind,
    Target,
)
from foretell.errors import ForetellError, NotFound, Unavailable
from foretell.expressions.check import check
from foretell.expressions.own import OwnFunction
from foretell.expressions.parser import parse
from foretell.expressions.row_compiler import to_function
from foretell.jobs.ports import Executor
from foretell.models.ports import Batch, Flavour, LoadedModel, Terms
from foretell.tabular.python_steps import PythonStep


def check_function(
    function: Callable[..., Any] | OwnFunction, rows: Iterable[Sequence[Any]]
) -> None:
    """The same value for a row and for a table, twice, and null where one is null.

    Args:
        rows: Arguments to try it with; the ends of the range belong to them.
    """
    own = function if isinstance(function, OwnFunction) else OwnFunction.of(function)
    given = [list(row) for row in rows]
    assert given, "give at least one row"
    nulls: list[list[Any]] = []
    for index in range(len(own.parameters)):
        nulls.append([*given[0][:index], None, *given[0][index + 1 :]])
    names = [f"a{index}" for index in range(len(own.parameters))]
    columns = dict(zip(names, own.parameters, strict=True))
    call = f"{own.name}({', '.join(names)})"
    typed = check(parse(call), columns, {own.name: own})
    evaluate = to_function(typed)
    everything = [*given, *nulls]
    by_row = [evaluate(dict(zip(names, row, strict=True))) for row in everything]
    assert by_row[len(given) :] == [None] * len(nulls), f"{own.name}: null is not null"
    again = [evaluate(dict(zip(names, row, strict=True))) for row in everything]
    assert by_row == again, f"{own.name} gives another value the second time"
    by_table = _values_by_table(typed, columns, everything)
    assert by_row == by_table, f"{own.name}: a table gives {by_table}, a row {by_row}"


def _values_by_table(
    typed: Any, columns: Mapping[str, ColumnType], rows: list[list[Any]]
) -> list[Any]:
    import polars as pl

    from foretell.expressions.polars_compiler import dtype_of, to_polars

    cells = list(zip(*rows, strict=True))
    series = [
        pl.Series(name, list(values), dtype=dtype_of(type))
        for (name, type), values in zip(columns.items(), cells, strict=True)
    ]
    return pl.DataFrame(series).select(to_polars(typed).alias("v"))["v"].to_list()


def check_step(
    step: PythonStep | Callable[..., Any],
    table: Any,
    options: Mapping[str, Any],
    wrong_options: Mapping[str, Any],
) -> Any:
    """A step gives a table, the same twice, leaves the one it got, and refuses wrong
    options before it runs. Answers the table.

    Args:
        table: A `polars.DataFrame` to try it with.
    """
    own = step if isinstance(step, PythonStep) else PythonStep.of(step, "a.step")
    before = table.clone()
    checked = own.check(options)
    first, second = [_run(own, table, checked) for _ in range(2)]
    assert first.equals(second, null_equal=True), f"{own.name} gives another table"
    assert table.equals(before, null_equal=True), f"{own.name} changed what it got"
    try:
        own.check(wrong_options)
    except ForetellError as refused:
        fields = refused.errors
    else:
        raise AssertionError(f"{own.name} takes {dict(wrong_options)!r}")
    assert fields, f"{own.name} refuses and names no option"
    return first


def _run(step: PythonStep, table: Any, options: Any) -> Any:
    import polars as pl

    if step.frame == "pandas":
        return pl.from_pandas(step.run(table.to_pandas(), options))
    made = step.run(table.lazy() if step.frame == "lazy" else table, options)
    return made.collect() if isinstance(made, pl.LazyFrame) else made


def check_flavour(
    flavour: Flavour,
    artifact: Path,
    batch: Batch,
    *,
    terms: Terms | None = None,
) -> LoadedModel:
    """A flavour knows its own files and no others, loads one, and predicts the same
    each time. Answers the loaded model.

    Args:
        artifact: A file of the flavour.
        batch: Rows that the model takes: values by the name of the input.
    """
    terms = terms or Terms()
    with artifact.open("rb") as file:
        head = file.read(8192)
    assert flavour.recognises(head, artifact.name), "does not know its own file"
    for other in (b"", b"a,b\n1,2\n", b"\x00" * 64):
        assert not flavour.recognises(other, "table.csv"), f"takes {other!r} for its"
    loaded, again = flavour.load(artifact, terms), flavour.load(artifact, terms)
    assert loaded.signature == again.signature, "another signature the second time"
    wanted = {field.name for field in loaded.signature.inputs}
    assert wanted == set(batch), f"the model takes {sorted(wanted)}"
    rows = len(next(iter(batch.values())))
    first, second = loaded.predictor.predict(batch), again.predictor.predict(batch)
    assert len(first.predictions) == rows, "not one prediction a row"
    assert list(first.predictions) == list(second.predictions), "not the same twice"
    one = [values[0] for values in batch.values()]
    answer, _ = loaded.predictor.predict_one(one)
    assert answer == first.predictions[0], "one row is not the first of many"
    return loaded


async def check_connector(
    connector: Connector, target: Target, table: str, *, reads: bool = True
) -> None:
    """What is written is read again, in chunks and typed; it is replaced as a whole,
    appended once, and a failure in the middle changes nothing.

    Args:
        target: A database that may be written to.
        table: A table that is not there.
        reads: Whether it can be read at all.
    """
    await connector.check(target)
    assert table not in await connector.tables(target), f"{table} is there already"
    rows: Chunk = [{"n": n, "word": f"ß {n}", "none": None} for n in range(5)]
    written = await connector.write(
        target, _sink(table, "a"), _given(rows[:3], rows[3:])
    )
    assert written == len(rows), f"says that it wrote {written} rows"
    if not reads:
        return
    assert table in await connector.tables(target)
    assert await _read(connector, target, table) == list(rows)
    await _write_badly(connector, target, table, rows)
    assert await _read(connector, target, table) == list(rows), "half is there"
    for _ in range(2):
        more = _sink(table, "c", "append")
        written = await connector.write(target, more, _given(rows[:1]))
        assert written == 1, "an append that is done already says another number"
    assert await _read(connector, target, table) == [rows[0], *rows], "not once"
    assert await connector.write(target, _sink(table, "d"), _given(rows[:1])) == 1
    assert await _read(connector, target, table) == [rows[0]]
    try:
        await _read(connector, target, f"no_{table}")
    except NotFound:
        return
    raise AssertionError("a table that is not there was read")


_COLUMNS = (
    ForeignColumn("n", ColumnType.INTEGER),
    ForeignColumn("word", ColumnType.TEXT),
    ForeignColumn("none", ColumnType.TEXT),
)


def _sink(table: str, token: str, mode: Mode = "replace") -> Sink:
    return Sink(table, _COLUMNS, mode, f"{table}-{token}")


async def _given(*chunks: Chunk) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        yield chunk


async def _read(
    connector: Connector, target: Target, table: str
) -> list[Mapping[str, Any]]:
    """The rows by number, with our columns alone: some databases add an id."""
    kind: SourceKind = "collection" if target.kind == "mongodb" else "table"
    found = []
    async with connector.read(target, Source(kind, table), rows=2) as reading:
        async for chunk in reading.chunks:
            assert len(chunk) <= 2, "chunks are larger than asked for"
            found += [{c.name: row[c.name] for c in _COLUMNS} for row in chunk]
    return sorted(found, key=_number)


class _Broken(Exception):
    pass


async def _write_badly(
    connector: Connector, target: Target, table: str, rows: Chunk
) -> None:
    async def breaking() -> AsyncIterator[Chunk]:
        yield rows[:2]
        raise _Broken

    for mode in ("replace", "append"):
        sink = _sink(table, f"b-{mode}", "append" if mode == "append" else "replace")
        try:
            await connector.write(target, sink, breaking())
        except _Broken:
            continue
        raise AssertionError("an error of the rows was swallowed")


def _number(row: Mapping[str, Any]) -> int:
    return int(row["n"])


def check_executor(
    sending: Executor, receiving: Executor, *, seconds: float = 30.0
) -> None:
    """Ids arrive, one at a time, at least once, from a queue that is added later too;
    closing twice does no harm.

    Args:
        receiving: Another one at the same broker, or the same.
        seconds: For one id to arrive.
    """
    arrived: queue.Queue[str] = queue.Queue()
    is_free = threading.Event()
    name = secrets.token_hex(4)

    def deliver(job_id: str) -> None:
        arrived.put(job_id)
        is_free.wait(seconds)

    def receive() -> None:
        with suppress(Unavailable):
            receiving.receive([f"{name}-a"], deliver)

    threading.Thread(target=receive, daemon=True).start()
    sending.check()
    sending.send("id-0", f"{name}-a")
    sending.send("id-1", f"{name}-a")
    first = _arrival(arrived, seconds)
    assert first is not None, "no id arrived"
    assert _arrival(arrived, 0.2) is None, "a busy worker was given another id"
    is_free.set()
    assert {first, _arrival(arrived, seconds)} == {"id-0", "id-1"}
    receiving.add_queue(f"{name}-b")
    sending.send("id-2", f"{name}-b")
    assert _arrival(arrived, seconds) == "id-2", "nothing from a queue added later"
    for executor in (sending, receiving, sending, receiving):
        executor.close()


def _arrival(arrived: "queue.Queue[str]", seconds: float) -> str | None:
    try:
        return arrived.get(timeout=seconds)
    except queue.Empty:
        return None
