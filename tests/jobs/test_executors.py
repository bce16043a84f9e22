"""The conformance suite of executors, with real brokers, on each kind of database."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from foretell.testing.executor_suite.checks import check_jobs
from foretell.testing.executor_suite.desk import open_desk
from tests.brokers import RedisServer, rabbitmq
from tests.databases import throw_away

PLACES = {
    "embedded": "",
    "celery": "foretell.plugins.executors.celery:CeleryExecutor",
    "celery-rabbitmq": "foretell.plugins.executors.celery:CeleryExecutor",
    "rq": "foretell.plugins.executors.rq:RqExecutor",
    "dramatiq": "foretell.plugins.executors.dramatiq:DramatiqExecutor",
}
# What CI runs beside Celery on SQLite; `EXECUTORS_ALL=1` runs each on each.
SLOW = [
    ("embedded", "sqlite"),
    ("embedded", "postgresql"),
    ("embedded", "mysql"),
    ("celery", "postgresql"),
    ("celery-rabbitmq", "sqlite"),
    ("rq", "sqlite"),
    ("dramatiq", "postgresql"),
]
if os.environ.get("EXECUTORS_ALL"):
    SLOW += [
        ("celery-rabbitmq", "postgresql"),
        ("rq", "postgresql"),
        ("dramatiq", "sqlite"),
    ]


@pytest.fixture
def places() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def database_of(kind: str, folder: Path, stack: ExitStack) -> str:
    if kind == "sqlite":
        return f"sqlite+aiosqlite:///{folder / 'jobs.db'}"
    return stack.enter_context(throw_away(kind))


def broker_of(executor: str, stack: ExitStack) -> str:
    if executor == "embedded":
        return ""
    if executor == "celery-rabbitmq":
        return stack.enter_context(rabbitmq())
    return stack.enter_context(RedisServer()).url


@pytest.mark.parametrize(
    ("executor", "kind"),
    [
        ("celery", "sqlite"),
        *(
            pytest.param(executor, kind, marks=pytest.mark.slow)
            for executor, kind in SLOW
        ),
    ],
)
def test_an_executor_conforms(
    executor: str, kind: str, tmp_path: Path, places: ExitStack
) -> None:
    url = database_of(kind, tmp_path, places)
    broker = broker_of(executor, places)

    async def run() -> None:
        place = PLACES[executor]
        async with open_desk(url, tmp_path, executor=place, broker_url=broker) as desk:
            await check_jobs(desk)

    asyncio.run(run())
