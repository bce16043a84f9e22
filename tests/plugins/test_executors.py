"""How the built-in executors carry ids, and what they say of a broker that is away."""

from collections.abc import Callable

import pytest

from foretell.errors import Unavailable
from foretell.jobs.ports import Executor
from foretell.plugins.executors.celery import CeleryExecutor
from foretell.plugins.executors.dramatiq import DramatiqExecutor
from foretell.plugins.executors.rq import RqExecutor
from foretell.testing.conformance import check_executor
from tests.brokers import RedisServer

# Celery's worker cannot be stopped within a process; real workers run it in the
# suite of tests/jobs/test_executors.py.
IN_PROCESS = [RqExecutor, DramatiqExecutor]


@pytest.mark.parametrize("make", IN_PROCESS)
def test_ids_are_carried(make: Callable[[str], Executor]) -> None:
    with RedisServer() as redis:
        check_executor(make(redis.url), make(redis.url))


@pytest.mark.parametrize("make", [CeleryExecutor, *IN_PROCESS])
def test_a_broker_that_is_away_is_said_so_without_its_address(
    make: Callable[[str], Executor],
) -> None:
    executor = make("redis://:secret@127.0.0.1:1/0")
    for call in (executor.check, lambda: executor.send("id", "default")):
        with pytest.raises(Unavailable) as caught:
            call()
        assert "secret" not in caught.value.detail
    executor.close()
