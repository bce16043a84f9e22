"""The one route whose scope depends on a setting: anybody may make an account for
themselves where SIGNUP is `open`. Like every route it decides before the body."""

from starlette.requests import Request

from foretell.auth.identity import Identity
from foretell.errors import Forbidden, Unauthenticated
from foretell.http.routing import ScopedRoute
from foretell.http.state import state


class SignUpRoute(ScopedRoute):
    """Needs its scope, unless sign-up is open."""

    async def admit(self, request: Request) -> None:
        try:
            await super().admit(request)
        except (Unauthenticated, Forbidden):
            if not state(request).port(Identity).options.is_signup_open:
                raise
            # A stale cookie must not keep a stranger from signing up.
            request.state.principal = getattr(request.state, "principal", None)
