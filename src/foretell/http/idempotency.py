"""`Idempotency-Key`: the same POST twice does its work once.

The key is stored in the transaction of the request it protects, so it exists
exactly when the work does. A repeat is answered by reading the `Location` of
the first answer through the application itself, which keeps secrets that are
shown once out of the store.
"""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from foretell.core import idempotency as store
from foretell.core.db import is_unique_violation
from foretell.core.principal import Principal
from foretell.errors import Invalid
from foretell.http import inside
from foretell.http.state import state

KEEP = timedelta(hours=24)
MAX_KEY_LENGTH = 255
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotencyKeyReused(Invalid):
    """The same `Idempotency-Key` came with another body."""

    slug = "idempotency-key-reused"


@dataclass(slots=True)
class Claim:
    """The key of one request; `fingerprint` is set once the body is known."""

    id: str
    fingerprint: str | None = None
    stored: bool = field(default=False)


class _Replayed(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


async def once(request: Request, inner: Handler) -> Response:
    """Run `inner` unless its key was used; then repeat the first answer."""
    key = request.headers.get("idempotency-key")
    principal: Principal | None = request.state.principal
    if key is None or principal is None:
        return await inner(request)
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise Invalid(f"Idempotency-Key takes 1 to {MAX_KEY_LENGTH} characters.")
    claim = Claim(_claim_id(principal, request, key))
    request.state.claim = claim
    try:
        if not is_streamed(request):
            await fingerprinted(request, hashlib.sha256(await request.body()))
        return await inner(request)
    except _Replayed as replayed:
        return replayed.response
    except IntegrityError as error:
        if not claim.stored or not is_unique_violation(error):
            raise
        # Another request with this key committed first; answer as it did.
        repeated = await _replay(request, claim)
        if repeated is None:
            raise
        return repeated


def is_streamed(request: Request) -> bool:
    """Whether the route reads the body itself (uploads), piece by piece."""
    return bool(getattr(request.scope.get("route"), "body_limit", 0).__class__ is str)


async def fingerprinted(request: Request, digest: Any) -> None:
    """Say what the body was; a repeat ends here with the first answer.

    Upload routes call it when the last byte has arrived.

    Raises:
        IdempotencyKeyReused: The key was used with another body.
    """
    claim: Claim | None = getattr(request.state, "claim", None)
    if claim is None:
        return
    digest.update(request.url.query.encode())
    claim.fingerprint = digest.hexdigest()
    replayed = await _replay(request, claim)
    if replayed is not None:
        raise _Replayed(replayed)


async def remember(request: Request, response: Response, session: AsyncSession) -> None:
    """Store the key in the request's own transaction, with where its work is."""
    claim: Claim | None = getattr(request.state, "claim", None)
    location = response.headers.get("location")
    if claim is None or claim.fingerprint is None or location is None:
        return
    # The injected response has a status only where the route chose one.
    declared = getattr(request.scope.get("route"), "status_code", None)
    now = state(request).clock.now()
    claim.stored = True
    await store.add(
        session,
        claim.id,
        fingerprint=claim.fingerprint,
        status=response.status_code or declared or 201,
        location=location,
        now=now,
        expires_at=now + KEEP,
    )


async def _replay(request: Request, claim: Claim) -> Response | None:
    app_state = state(request)
    async with app_state.database.reading() as session:
        found = await store.find(session, claim.id, now=app_state.clock.now())
    if found is None:
        return None
    if found.fingerprint != claim.fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used with another body; take a new key."
        )
    answer = await inside.get(request, found.location)
    answer.headers["Location"] = found.location
    if answer.status_code == 200:
        answer.status_code = found.status
    return answer


def _claim_id(principal: Principal, request: Request, key: str) -> str:
    text = f"{principal.user_id}\n{request.method} {request.url.path}\n{key}"
    return hashlib.sha256(text.encode()).hexdigest()
