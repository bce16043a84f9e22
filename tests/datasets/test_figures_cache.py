"""Figures that are kept: the same answers, for the same version, question and code."""

import asyncio
from typing import Any

import httpx2
import pytest

from foretell import Extension
from foretell.core.cache import LocalCache
from foretell.datasets import figures
from foretell.http.sharing import Sharing
from foretell.testing import (
    app,
    client,
    clock,
    database_url,
    foretell_blank,
    run_jobs,
    settings,
    sign_in,
)

__all__ = [
    "app",
    "client",
    "clock",
    "database_url",
    "foretell_blank",
    "run_jobs",
    "settings",
    "sign_in",
]

own = Extension("own")


@own.function
def twice(value: int) -> int:
    return 2 * value


@pytest.fixture
def extensions() -> list[Extension]:
    return [own]


@pytest.fixture(autouse=True)
def all_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of a test is quick."""
    monkeypatch.setattr(figures, "WORTH_SECONDS", 0.0)


@pytest.fixture
async def cache(app, client, run_jobs) -> LocalCache:
    """The cache, beside a dataset `t` of two versions."""
    for path, rows in (("?name=t", "a,1,0.5\nb,2,\n"), ("/t/versions", "c,3,1e9\n")):
        sent = await client.post(
            f"/api/datasets{path}",
            content=b"s,n,x\n" + rows.encode(),
            headers={"Content-Type": "text/csv"},
        )
        assert sent.status_code == 202, sent.text
        await run_jobs()
    found = app.state.foretell.port(Sharing).local_cache
    assert isinstance(found, LocalCache)
    return found


QUESTIONS = [
    "/count?where=n > 1",
    "/aggregate?by=s&measures=count,mean(x),max(n)&sort=-count",
    "/profile",
    "/profile?where=n > 0",
]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_second_answer_is_kept_and_the_same(client, cache, question):
    first = await answered(client, question + sign(question) + "version=1")
    hits = cache.hits
    second = await answered(client, question + sign(question) + "version=1")
    assert second == first
    assert cache.hits == hits + 1


async def test_another_version_or_question_is_another_answer(client, cache):
    seen = [
        await answered(client, "/count?where=n > 1&version=1"),
        await answered(client, "/count?where=n > 1&version=2"),
        await answered(client, "/count?where=n > 0&version=1"),
    ]
    assert seen == [{"count": n, "exact": True} for n in (1, 1, 2)]
    by = [await answered(client, f"/aggregate?by=s&limit={n}") for n in (1, 10)]
    assert by[0]["groups"] == by[1]["groups"] == 1
    assert cache.hits == 0


async def test_who_may_not_see_the_dataset_gets_nothing_kept(client, cache, sign_in):
    await answered(client, "/profile")
    other = await sign_in("editor")
    assert (await other.get("/api/datasets/t/profile")).status_code == 404


async def test_functions_of_extensions_are_called_each_time(client, cache):
    for _ in range(2):
        await answered(client, "/count?where=twice(n) > 2")
        await answered(client, "/aggregate?by=twice(n)")
    assert cache.hits == 0
    assert cache.bytes == 0


async def test_many_at_once_get_the_same(client, cache):
    found = await asyncio.gather(*(answered(client, "/profile") for _ in range(8)))
    assert all(answer == found[0] for answer in found)


async def answered(client: httpx2.AsyncClient, question: str) -> Any:
    answer = await client.get(f"/api/datasets/t{question}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def sign(question: str) -> str:
    return "&" if "?" in question else "?"
