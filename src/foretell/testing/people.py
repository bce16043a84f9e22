"""Signed-in callers of an application under test."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import count

import httpx2
from fastapi import FastAPI

from foretell.auth.identity import Identity, create_access_token
from foretell.auth.service import NewUser
from foretell.auth.tables import User
from foretell.core.principal import Role

PASSWORD = "correct horse battery"  # noqa: S105 - of nobody
# A test may move the clock by years; its callers stay signed in.
_LIFETIME = timedelta(days=36_500)


class SignIn:
    """Makes clients: `viewer = await sign_in("viewer")`."""

    def __init__(self, app: FastAPI, stack: AsyncExitStack) -> None:
        self._app = app
        self._stack = stack
        self._numbers = count(1)

    async def __call__(
        self,
        role: str = "viewer",
        *,
        email: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> httpx2.AsyncClient:
        """A client of a new user.

        Args:
            email: Of the account; made up when not given. Its password is
                `foretell.testing.people.PASSWORD`.
            scopes: What the client may do at most; all that the role gives without.
        """
        identity: Identity = self._app.state.foretell.port(Identity)
        async with identity.unit_of_work() as services:
            name = f"{role}{next(self._numbers)}"
            new = NewUser(email or f"{name}@example.org", PASSWORD, name, Role(role))
            user: User = await services.accounts.create_local(new)
        token = await create_access_token(
            identity,
            user.id,
            scopes=None if scopes is None else frozenset(scopes),
            lifetime=_LIFETIME,
        )
        return await self.nobody(Authorization=f"Bearer {token}")

    async def nobody(self, **headers: str) -> httpx2.AsyncClient:
        """A client without a credential but what `headers` hold."""
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self._app),
            base_url="http://testserver",
            headers=headers,
        )
        return await self._stack.enter_async_context(client)
