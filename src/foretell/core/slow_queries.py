"""The log of slow statements, with the plan that the database has for them.

Shows what a statement looks like and how it is run, never the values it was run
with. The plan is asked for on a connection of its own, beside the request, at most
once an hour for statements of one text and a few times a minute in all, so that a
database in trouble does not get more of it.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from foretell.core.logs import get_logger

log = get_logger("foretell.database")

PLANS_PER_MINUTE = 6
PLAN_AGAIN_SECONDS = 3600.0
PLAN_TIMEOUT_SECONDS = 5.0
MAX_STATEMENT_CHARS = 4_000
_STARTED = "foretell_started"
_READS = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)

Plan = list[str]


class SlowQueries:
    """Logs statements of the engines it watches that take too long.

    Args:
        engine: Gives a connection for the plans; not one of those watched.
        threshold_seconds: What takes longer is slow.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        threshold_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._threshold = threshold_seconds
        self._monotonic = monotonic
        self._explained: dict[str, float] = {}
        self._recent: deque[float] = deque(maxlen=PLANS_PER_MINUTE)
        self._tasks: set[asyncio.Task[None]] = set()

    def watch(self, engine: Engine) -> None:
        """Look at every statement of `engine` from now on."""
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        event.listen(engine, "handle_error", self._failed)

    def observe(
        self,
        statement: str,
        parameters: Sequence[Any],
        seconds: float,
        rows: int | None = None,
    ) -> None:
        """Log a statement that was just run, if it was slow."""
        if seconds < self._threshold:
            return
        fields = _fields(statement, seconds)
        if rows is not None and rows >= 0:
            fields["rows"] = rows
        if not self._may_explain(statement):
            log.warning("database.slow_query", **fields)
            return
        self._start(self._log_with_plan(fields, statement, tuple(parameters)))

    async def close(self) -> None:
        """Write what is left, without plans that have not come yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engine.dispose()

    def _before(
        self, _conn: Any, _cursor: Any, _text: str, _values: Any, context: Any, _: bool
    ) -> None:
        setattr(context, _STARTED, time.perf_counter())

    def _after(
        self, _conn: Any, cursor: Any, text: str, values: Any, context: Any, many: bool
    ) -> None:
        seconds = time.perf_counter() - getattr(context, _STARTED)
        if seconds >= self._threshold:
            self.observe(text, () if many else values, seconds, cursor.rowcount)

    def _failed(self, context: ExceptionContext) -> None:
        started = getattr(context.execution_context, _STARTED, None)
        if started is None or context.statement is None:
            return
        seconds = time.perf_counter() - started
        if seconds >= self._threshold:
            fields = _fields(context.statement, seconds)
            log.warning("database.slow_query", **fields, failed=True)

    def _may_explain(self, statement: str) -> bool:
        if not _READS.match(statement) or _WRITES.search(statement):
            return False
        now = self._monotonic()
        if now < self._explained.get(statement, now):
            return False
        is_budget_spent = (
            len(self._recent) == PLANS_PER_MINUTE and now - self._recent[0] < 60
        )
        if is_budget_spent:
            return False
        self._recent.append(now)
        self._explained = {s: end for s, end in self._explained.items() if end > now}
        self._explained[statement] = now + PLAN_AGAIN_SECONDS
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_with_plan(
        self, fields: dict[str, Any], statement: str, parameters: tuple[Any, ...]
    ) -> None:
        try:
            async with asyncio.timeout(PLAN_TIMEOUT_SECONDS):
                fields["plan"] = await self._explain(statement, parameters)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            fields["plan_missing"] = type(error).__name__
        finally:
            log.warning("database.slow_query", **fields)

    async def _explain(self, statement: str, parameters: tuple[Any, ...]) -> Plan:
        explain = _EXPLAIN[self._engine.dialect.name]
        async with self._engine.connect() as connection:
            return await explain(connection, statement, parameters)


def _fields(statement: str, seconds: float) -> dict[str, Any]:
    text = " ".join(statement.split())
    return {
        "statement": text[:MAX_STATEMENT_CHARS],
        "milliseconds": round(seconds * 1000, 1),
    }


async def _explain_postgresql(
    connection: AsyncConnection, statement: str, parameters: tuple[Any, ...]
) -> Plan:
    # EXPLAIN of the statement itself would show the values. The generic plan is
    # made without any; the connection is closed afterwards, and the name with it.
    nothing = ", ".join(["NULL"] * len(parameters))
    await connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
    await connection.exec_driver_sql(f"PREPARE slow AS {statement}")
    execute = f"EXPLAIN EXECUTE slow({nothing})" if nothing else "EXPLAIN EXECUTE slow"
    return [str(line) for (line,) in await connection.exec_driver_sql(execute)]


async def _explain_sqlite(
    connection: AsyncConnection, statement: str, parameters: tuple[Any, ...]
) -> Plan:
    found = await connection.exec_driver_sql(
        f"EXPLAIN QUERY PLAN {statement}", parameters
    )
    return [str(row.detail) for row in found]


async def _explain_mysql(
    connection: AsyncConnection, statement: str, parameters: tuple[Any, ...]
) -> Plan:
    found = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    return [
        ", ".join(f"{k}={v}" for k, v in row.items() if v is not None)
        for row in found.mappings()
    ]


_EXPLAIN = {
    "postgresql": _explain_postgresql,
    "sqlite": _explain_sqlite,
    "mysql": _explain_mysql,
    "mariadb": _explain_mysql,
}
