"""Runs SQL over datasets in reader processes, a few at a time.

Each statement gets a sandboxed child of its own: it can read the Parquet files of the
datasets that its caller may see and are named in it, and dies with the statement, or a
second after the statement's time limit.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from foretell.core.blobs import BlobStore
from foretell.datasets.tables import DatasetVersion
from foretell.datasets.turns import Turns
from foretell.sandbox.errors import ChildKilled, ChildOutOfMemory, ChildTimedOut
from foretell.sandbox.pool import Sandbox
from foretell.tabular.errors import SqlTimedOut, SqlTooLarge
from foretell.tabular.sql_messages import SqlAnswer, SqlColumn, SqlQuestion, SqlTable

PRELOAD = ("foretell.tabular.sql_reader",)
SLOTS = 2
_WAITING = 128
_ANSWER = "foretell.tabular.sql_reader:answer"
_GRACE_SECONDS = 1.0
_PATIENCE_SECONDS = 30.0
_ENGINE_BYTES = 400 << 20
_READER_BYTES = 768 << 20


class SqlReaders:
    """Answers SQL; a value for one event loop.

    Args:
        sandbox: Starts the readers.
        blobs: Has the files of the versions.
    """

    def __init__(self, sandbox: Sandbox, blobs: BlobStore) -> None:
        self._sandbox = sandbox
        self._blobs = blobs
        self._turns = Turns(SLOTS, waiting=_WAITING, patience_seconds=_PATIENCE_SECONDS)

    async def answer(
        self,
        sql: str,
        versions: Mapping[str, DatasetVersion],
        *,
        limit: int,
        timeout_seconds: float,
        caller: str = "",
    ) -> SqlAnswer:
        """Run one statement.

        Args:
            versions: What the statement may read, by the name it may use.
            caller: Whose statement it is; callers take turns.

        Raises:
            SqlInvalid, SqlRefused, SqlTableUnknown: It is not one that runs.
            SqlTimedOut, SqlTooLarge: It needs more than it gets.
            ReadersBusy: Other statements hold all readers.
        """
        async with self._turns.turn(caller), AsyncExitStack() as stack:
            tables = [
                await self._table(stack, name, version)
                for name, version in versions.items()
            ]
            question = SqlQuestion(sql, tables, limit, timeout_seconds, _ENGINE_BYTES)
            return await self._ask(question)

    async def _ask(self, question: SqlQuestion) -> SqlAnswer:
        try:
            return await self._sandbox.run(
                _ANSWER,
                question,
                SqlAnswer,
                read=[path for table in question.tables for path in table.paths],
                memory_bytes=_READER_BYTES,
                is_tight=True,
                timeout_seconds=question.timeout_seconds + _GRACE_SECONDS,
            )
        except ChildTimedOut as error:
            raise SqlTimedOut(question.timeout_seconds) from error
        except (ChildOutOfMemory, ChildKilled) as error:
            raise SqlTooLarge from error

    async def _table(
        self, stack: AsyncExitStack, name: str, version: DatasetVersion
    ) -> SqlTable:
        paths = [
            str(await stack.enter_async_context(self._blobs.local(part["key"])))
            for part in version.parts
        ]
        columns = [SqlColumn(str(c["name"]), str(c["type"])) for c in version.columns]
        return SqlTable(name, paths, columns)
