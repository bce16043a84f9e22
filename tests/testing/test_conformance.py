"""The suites pass what works and name what does not; the built-in pass them too."""

import queue
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from foretell import Extension, create_app
from foretell.connections.errors import SourceNotFound
from foretell.core.connectors import Chunk, Reading, Sink, Source, Target
from foretell.plugins.flavours.onnx import OnnxFlavour
from foretell.plugins.flavours.sklearn import SklearnFlavour
from foretell.tabular.python_steps import PythonStep, StepInvalid
from foretell.testing.conformance import (
    check_connector,
    check_executor,
    check_flavour,
    check_function,
    check_step,
)

tools = Extension("tools")


@tools.step
def keep_above(frame: pl.LazyFrame, column: str, limit: float = 0.0) -> pl.LazyFrame:
    """Keep rows above a limit."""
    return frame.filter(pl.col(column) > limit)


@tools.executor("list")
class ListExecutor:
    """Within one process."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def send(self, job_id: str, queue: str) -> None:
        self.waiting.put(job_id)

    def check(self) -> None: ...

    def receive(self, queues: Sequence[str], deliver: Callable[[str], None]) -> None:
        while (job_id := self.waiting.get()) is not None:
            deliver(job_id)

    def add_queue(self, queue: str) -> None: ...

    def close(self) -> None:
        self.waiting.put(None)


class LosingExecutor(ListExecutor):
    def send(self, job_id: str, queue: str) -> None: ...


@tools.connector("memory")
class MemoryConnector:
    """Tables in memory, one database."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Mapping[str, Any]]] = {}
        self._done: dict[str, int] = {}

    async def check(self, target: Target) -> None: ...

    async def tables(self, target: Target) -> list[str]:
        return sorted(self._tables)

    @asynccontextmanager
    async def read(
        self, target: Target, source: Source, *, rows: int
    ) -> AsyncIterator[Reading]:
        if source.text not in self._tables:
            raise SourceNotFound("table", source.text)
        found = self._tables[source.text]

        async def chunks() -> AsyncIterator[Chunk]:
            for start in range(0, len(found), rows):
                yield found[start : start + rows]

        yield Reading((), chunks())

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        rows = [row async for chunk in chunks for row in chunk]
        if sink.mode == "replace":
            self._tables[sink.name] = rows
        elif sink.token not in self._done:
            self._tables.setdefault(sink.name, []).extend(rows)
        self._done[sink.token] = len(rows)
        return len(rows)


class ForgetfulConnector(MemoryConnector):
    """Appends as often as it is told to."""

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        self._done.clear()
        return await super().write(target, sink, chunks)


def test_a_step_conforms_and_is_found_by_its_name(settings):
    table = pl.DataFrame({"x": [1.0, -2.0, None, 5.0]})
    step = tools.steps["tools.keep_above"]
    made = check_step(step, table, {"column": "x"}, {"column": "x", "limit": "much"})
    assert made["x"].to_list() == [1.0, 5.0]
    assert step.description == "Keep rows above a limit."


def test_a_step_without_types_or_table_is_refused():
    for function in (lambda: None, lambda table, option: table):
        with pytest.raises(StepInvalid):
            PythonStep.of(function, "x.y")


def test_a_step_that_changes_with_each_run_does_not_conform():
    runs = []

    def moody(frame: pl.LazyFrame) -> pl.LazyFrame:
        runs.append(1)
        return frame.with_columns(n=pl.lit(len(runs)))

    with pytest.raises(AssertionError, match="gives another table"):
        check_step(moody, pl.DataFrame({"x": [1]}), {}, {"more": 1})


async def test_a_connector_conforms():
    await check_connector(MemoryConnector(), Target("memory"), "t")


async def test_a_connector_that_appends_twice_does_not_conform():
    with pytest.raises(AssertionError, match="not once"):
        await check_connector(ForgetfulConnector(), Target("memory"), "t")


def test_an_executor_conforms():
    executor = ListExecutor()
    check_executor(executor, executor)


def test_an_executor_that_loses_does_not_conform():
    executor = LosingExecutor()
    with pytest.raises(AssertionError, match="no id arrived"):
        check_executor(executor, executor, seconds=0.1)
    executor.close()


def test_a_function_that_changes_its_mind_does_not_conform():
    answers = iter(range(100))

    def moody(n: int) -> int:
        return next(answers)

    with pytest.raises(AssertionError, match="second time"):
        check_function(moody, [(1,)])


def test_an_extension_keeps_what_it_registered(settings):
    create_app(settings, extensions=[tools])
    assert list(tools.connectors.items()) == [("memory", MemoryConnector)]
    assert list(tools.executors.items()) == [("list", ListExecutor)]


@pytest.mark.parametrize("kind", ["sklearn", "onnx"])
def test_built_in_flavours_conform(kind, tmp_path):
    rows = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 1.0]])
    model = LinearRegression().fit(rows, rows @ [2.0, -1.0])
    if kind == "sklearn":
        artifact = tmp_path / "m.joblib"
        joblib.dump(model, artifact)
        check_flavour(SklearnFlavour(), artifact, {"x0": [1.0, 2.0], "x1": [0.0, 5.0]})
        return
    from skl2onnx import to_onnx

    artifact = tmp_path / "m.onnx"
    made = to_onnx(model, rows[:1].astype(np.float32))
    artifact.write_bytes(made.SerializeToString())
    batch = {"x0": [1.0, 2.0], "x1": [0.0, 5.0]}
    check_flavour(OnnxFlavour(), artifact, batch)
