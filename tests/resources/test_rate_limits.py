"""Callers of resources are counted in front of the fast path."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from foretell.core.rates import LocalRates, Rate
from foretell.http.rate_limits import RateLimits
from foretell.resources.fast.composing import fast_path
from tests.databases import throw_away
from tests.resources.application import served
from tests.resources.models import DESCRIPTIONS

RATE = Rate(3, 3_600)


@pytest.fixture
def url() -> Iterator[str]:
    with throw_away("postgresql") as url:
        yield url


async def test_requests_that_the_fast_path_answers_are_counted(
    url: str, tmp_path: Path
) -> None:
    async with (
        served(tmp_path, url) as running,
        fast_path(running.app, running.state, DESCRIPTIONS),
    ):
        schemes = running.app.state.token_schemes
        limits = RateLimits(
            RATE, LocalRates(RATE), running.state.authenticator, schemes
        )
        running.app.limit_callers(limits)
        path = f"/api/{DESCRIPTIONS[0].plural}"
        for left in (2, 1, 0):
            answer = await running.admin.get(path)
            assert answer.status_code == 200
            assert f"r={left};" in answer.headers["ratelimit"]
        refused = await running.admin.get(path)
        assert refused.status_code == 429
        assert refused.json()["instance"] == path
        assert (await running.ann.get(path)).status_code != 429
        assert limits.refused == {"user": 1, "address": 0}
