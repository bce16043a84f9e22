"""A refresh family against its model: whatever the order of honest uses, repeats,
replays and waits, there is one live token or none."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import integers, sampled_from

from foretell.auth.grants import Granted
from foretell.core.clock import FakeClock
from foretell.core.db import Database
from foretell.errors import ForetellError
from tests.auth.conftest import PASSWORD, add_user, identity_on, make_tables

T = TypeVar("T")


class RefreshFamilies(RuleBasedStateMachine):
    """`chain` holds every token of the family, oldest first; the last is unused."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.database = Database(
            f"sqlite+aiosqlite:///{Path(self.folder.name) / 'm.db'}"
        )
        self.identity = identity_on(self.database, self.clock)
        self.chain: list[str] = []
        self.used_at: list[float] = []
        self.is_live = True

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def use(self, token: str) -> Granted | ForetellError:
        async with self.identity.unit_of_work() as services:
            return await services.grants.by_refresh_token(token)

    @initialize()
    def sign_in(self) -> None:
        async def begin() -> Granted | ForetellError:
            await make_tables(self.database)
            await add_user(self.identity)
            async with self.identity.unit_of_work() as services:
                return await services.grants.by_password("ann@x.org", PASSWORD)

        granted = self.run(begin())
        assert isinstance(granted, Granted)
        self.chain.append(granted.refresh_token)
        self.issued_at = self.now

    @property
    def now(self) -> float:
        return self.clock.now().timestamp()

    @rule(seconds=sampled_from([1, 9, 11, 3600, 6 * 86400, 8 * 86400]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule()
    def use_the_newest(self) -> None:
        answer = self.run(self.use(self.chain[-1]))
        is_good = self.is_live and not self.is_idle and not self.is_old
        assert isinstance(answer, Granted) is is_good
        if isinstance(answer, Granted):
            assert answer.refresh_token not in self.chain
            self.chain.append(answer.refresh_token)
            self.used_at.append(self.now)
            self.issued_at = self.now

    @rule(back=integers(1, 5))
    def use_an_old_one(self, back: int) -> None:
        if len(self.chain) <= back:
            return
        place = len(self.chain) - 1 - back
        in_grace = back == 1 and self.now - self.used_at[place] <= 10
        answer = self.run(self.use(self.chain[place]))
        if self.is_live and in_grace and not self.is_old:
            assert isinstance(answer, Granted)
            assert answer.refresh_token == self.chain[-1]
            return
        assert isinstance(answer, ForetellError)
        if not self.is_old:
            self.is_live = False

    @property
    def is_idle(self) -> bool:
        return self.now - self.issued_at >= 7 * 86400

    @property
    def is_old(self) -> bool:
        return self.now - FakeClock().now().timestamp() >= 30 * 86400

    @invariant()
    def tokens_are_all_different(self) -> None:
        assert len(set(self.chain)) == len(self.chain)

    def teardown(self) -> None:
        self.run(self.identity.close())
        self.run(self.database.close())
        self.loop.close()
        self.folder.cleanup()


RefreshFamilies.TestCase.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None
)
TestRefreshFamilies = RefreshFamilies.TestCase
