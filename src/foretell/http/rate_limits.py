"""Limits of callers (RATE_LIMIT), in front of every route and both doors.

A caller is a user, whichever of their keys, tokens and browsers they use; who is not
known is an address. So somebody cannot raise their limit by making keys, and a flood of
credentials that do not count is a flood from one address: past its limit it is refused
before the database is asked.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.types import Scope

from foretell.core.addresses import network_of
from foretell.core.principal import Authenticator
from foretell.core.rates import Rate, Rates, Verdict, whole_seconds
from foretell.errors import Forbidden, Throttled, Unauthenticated, Unavailable
from foretell.http.caller_address import caller_address
from foretell.http.token_schemes import TokenSchemes

# What probes ask, and what a page loads at once: none of it reaches the database.
_FREE = frozenset({"/healthz", "/readyz", "/metrics"})
_FREE_BELOW = "/static/"
_UNITS = {1: "second", 60: "minute", 3_600: "hour", 86_400: "day"}
HEADERS = "rate_limit_headers"
"""Where the state of a request has the headers for its answer."""


class RateLimited(Throttled):
    """The caller asks more often than RATE_LIMIT allows."""

    slug = "too-many-requests"

    def __init__(self, rate: Rate, verdict: Verdict) -> None:
        seconds = max(whole_seconds(verdict.wait_seconds), 1)
        unit = _UNITS.get(rate.seconds, f"{rate.seconds} seconds")
        super().__init__(
            f"More than {rate.count:,} requests per {unit}; try again in {seconds} s.",
            retry_after_seconds=seconds,
        )


class RateLimits:
    """Counts the requests of callers.

    Attributes:
        refused: How many requests were refused, by what named their caller.
    """

    def __init__(
        self,
        rate: Rate,
        rates: Rates,
        authenticator: Authenticator,
        token_schemes: TokenSchemes,
    ) -> None:
        self.rate = rate
        self.rates = rates
        self.refused = {"user": 0, "address": 0}
        self._authenticator = authenticator
        self._token_schemes = token_schemes
        self._policy = f'"caller";q={rate.count};w={rate.seconds}'.encode()

    async def refusal(self, scope: Scope) -> RateLimited | None:
        """Count a request; the headers for its answer go into its state."""
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in _FREE or path.startswith(_FREE_BELOW):
            return None
        kind, key, verdict = await self._taken(scope)
        if verdict is None:
            verdict = await self.rates.take(key)
        _state(scope)[HEADERS] = self._headers(verdict)
        if verdict.allowed:
            return None
        self.refused[kind] += 1
        return RateLimited(self.rate, verdict)

    async def _taken(self, scope: Scope) -> tuple[str, str, Verdict | None]:
        """Who calls, and what is known without counting."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        principal = self._authenticator.authenticate_cached(headers)
        if principal is not None:
            return "user", f"user:{principal.user_id}", None
        address = f"address:{network_of(caller_address(scope))}"
        if not (b"authorization" in headers or b"cookie" in headers):
            return "address", address, None
        refused = self.rates.refusal(address)
        if refused is not None:
            return "address", address, refused
        user = await self._user(scope)
        return ("user", f"user:{user}", None) if user else ("address", address, None)

    async def _user(self, scope: Scope) -> str | None:
        """The user behind a credential that is not remembered; the answer is, so the
        route does not ask the database again."""
        view = {**scope}
        self._token_schemes.translate(view)
        headers: Mapping[bytes, bytes] = dict(view["headers"])
        try:
            # Whether a cookie may change anything is for the route to say.
            found = await self._authenticator.authenticate(
                headers, is_safe_method=True, address=caller_address(scope)
            )
        except (Unauthenticated, Forbidden, Unavailable):
            return None
        return found.user_id if found else None

    def _headers(self, verdict: Verdict) -> list[tuple[bytes, bytes]]:
        remaining = verdict.remaining
        seconds = verdict.reset_seconds if remaining else verdict.wait_seconds
        left = f'"caller";r={remaining};t={max(whole_seconds(seconds), 1)}'
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", left.encode())]


def _state(scope: Scope) -> MutableMapping[str, Any]:
    state: MutableMapping[str, Any] = scope["state"]
    return state
