"""Readers of heavy questions: limits, kills, and what is left behind."""

import asyncio
import os
import signal
from pathlib import Path

import orjson
import polars as pl
import pytest

from foretell.core.columns import Column, ColumnType
from foretell.datasets.errors import QuestionTimedOut, QuestionTooLarge
from foretell.datasets.heavy import PRELOAD, HeavyReaders
from foretell.datasets.ports import Grouping, GroupKey, Measure, Part, Table
from foretell.expressions.typed import TypedColumn
from foretell.sandbox.errors import ChildCrashed
from foretell.sandbox.pool import Sandbox
from foretell.tabular.errors import KeyNotUnique

MEBIBYTE = 1 << 20
ROWS = 3_000_000
N = TypedColumn(ColumnType.INTEGER, "n")
KIND = TypedColumn(ColumnType.INTEGER, "kind")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    path: Path = tmp_path_factory.mktemp("heavy") / "datasets" / "big.parquet"
    path.parent.mkdir()
    frame = pl.select(n=pl.int_range(ROWS)).with_columns(kind=pl.col("n") % 7)
    frame.write_parquet(path, row_group_size=32_768)
    columns = [Column("n", ColumnType.INTEGER), Column("kind", ColumnType.INTEGER)]
    return Table([Part(path, ROWS)], columns)


def by(key: TypedColumn) -> Grouping:
    measures = [Measure("count", "count"), Measure("mean(n)", "mean", N)]
    return Grouping([GroupKey(key.name, key)], measures)


class Opened:
    """Readers on a sandbox of their own."""

    def __init__(self, sandbox: Sandbox, table: Table) -> None:
        self.sandbox = sandbox
        self.folder = table.parts[0].path.parent

    def readers(self, *, memory: int = 1024, seconds: float = 60.0) -> HeavyReaders:
        return HeavyReaders(
            self.sandbox,
            lambda: self.folder,
            memory_bytes=memory * MEBIBYTE,
            timeout_seconds=seconds,
        )


@pytest.fixture
async def opened(table: Table):
    async with Sandbox(preload=PRELOAD) as sandbox:
        yield Opened(sandbox, table)


def pids(readers: HeavyReaders) -> list[int]:
    return [reader.pid for reader in readers._idle]


async def test_a_reader_stays_for_the_next_question(opened, table):
    readers = opened.readers()
    first = await readers.ask("a", "aggregate", table, by(KIND), limit=2)
    assert orjson.loads(first.body)[0]["kind"] == 0
    assert first.count == 7
    before = pids(readers)
    counted = await readers.ask("a", "count", table, None)
    assert (counted.count, counted.is_exact) == (ROWS, True)
    assert pids(readers) == before != []


async def test_groups_that_need_too_much_memory_end_their_reader_alone(opened, table):
    readers = opened.readers(memory=160)
    with pytest.raises(QuestionTooLarge, match=r"160 MiB.*READER_MEMORY"):
        await readers.ask("a", "aggregate", table, by(N), limit=2)
    assert pids(readers) == []
    again = await readers.ask("a", "count", table, None)
    assert again.count == ROWS


async def test_a_question_ends_at_its_time_limit(opened, table):
    with pytest.raises(QuestionTimedOut, match=r"0\.001 s"):
        await opened.readers(seconds=0.001).ask("a", "profile", table, None)


async def running(readers: HeavyReaders, table: Table):
    """A question that was sent to a reader, and the reader's process."""
    await readers.ask("a", "count", table, None)
    (reader,) = readers._idle
    asking = asyncio.create_task(readers.ask("a", "aggregate", table, by(N), limit=2))
    while readers._idle:
        await asyncio.sleep(0)
    return asking, reader


async def test_a_question_that_is_given_up_ends_its_reader(opened, table):
    readers = opened.readers()
    asking, reader = await running(readers, table)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(reader._server.exited.wait(), 10)
    assert pids(readers) == []
    assert (await readers.ask("a", "count", table, None)).count == ROWS


async def test_a_reader_that_is_killed_fails_its_question_and_no_other(opened, table):
    readers = opened.readers()
    asking, reader = await running(readers, table)
    os.kill(reader.pid, signal.SIGKILL)
    with pytest.raises(QuestionTooLarge):  # what kills from outside is a full machine
        await asking
    assert (await readers.ask("a", "count", table, None)).count == ROWS


async def test_what_the_engine_refuses_is_told_and_the_reader_stays(opened, table):
    readers = opened.readers()
    with pytest.raises(KeyNotUnique):
        await readers.ask("a", "diff", table, table, key=["kind"], limit=1)
    assert len(pids(readers)) <= 1
    assert (await readers.ask("a", "count", table, None)).count == ROWS


async def test_a_fault_of_the_engine_names_no_file(opened, table):
    outside = Table([Part(Path("/etc/passwd"), 1)], table.columns)
    with pytest.raises(ChildCrashed) as caught:
        await opened.readers().ask("a", "aggregate", outside, by(KIND), limit=1)
    assert "passwd" not in caught.value.detail


async def test_a_reader_opens_nothing_but_stored_versions(opened, table, tmp_path):
    secret = tmp_path / "secret.parquet"
    pl.DataFrame({"n": [1], "kind": [1]}).write_parquet(secret)
    outside = Table([Part(secret, 1)], table.columns)
    with pytest.raises(ChildCrashed):
        await opened.readers().ask("a", "aggregate", outside, by(KIND), limit=1)


async def test_two_questions_run_at_a_time_and_the_others_wait(opened, table):
    readers = opened.readers()
    answers = await asyncio.gather(
        *(
            readers.ask(caller, "aggregate", table, by(KIND), limit=9)
            for caller in "abcabc"
        )
    )
    assert {answer.body for answer in answers} == {answers[0].body}
    assert len(pids(readers)) == 2
