"""Tokens of an older backend, while its callers move over.

Such a backend signed HS256 with one shared secret, most often by python-jose. Those
tokens are read here and nowhere else: by a verifier with a key and rules of its own,
which exists only where LEGACY_JWT_SECRET is set. Our own tokens are never checked by
a shared secret, so nothing that is public about them can become one.

Nothing can be taken back in a token that names no sign-in. An account whose tokens
were ever taken back (a new password, a withdrawal, a disabled account) is through with
the older backend: from then on none of its legacy tokens counts.
"""

import re
from dataclasses import dataclass

import jwt
import msgspec

from foretell.auth.errors import CredentialInvalid
from foretell.auth.strict_json import loads_strictly
from foretell.core.clock import Clock

FIRST_TOKEN_VERSION = 1
_LEEWAY_SECONDS = 5
# HMAC-SHA256 is 32 bytes: 43 characters.
_COMPACT = re.compile(r"[A-Za-z0-9_-]{16,1024}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class LegacyRules:
    """What a token of the older backend must be.

    Attributes:
        secret: The key of its HS256 signatures.
        issuer, audience: What `iss` and `aud` must say; `None`: the token has none.
            A token that names somebody whom no setting names was made for them.
    """

    secret: bytes
    issuer: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class LegacyClaims:
    """What a valid token says.

    Attributes:
        subject: The user's id here, or their e-mail.
        expires_at: Seconds since 1970.
        scopes: What the token is limited to; `None` where it says nothing.
    """

    subject: str
    expires_at: float
    scopes: frozenset[str] | None


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: str
    typ: str = "JWT"
    kid: str = ""


class _Payload(msgspec.Struct):
    sub: str
    exp: int | float
    iat: int | float = 0
    nbf: int | float = 0
    iss: str | None = None
    aud: str | list[str] | None = None
    scope: str | None = None
    scopes: list[str] | str | None = None


class LegacyTokens:
    """Reads tokens of the older backend.

    Args:
        rules: Its secret and names.
    """

    def __init__(self, rules: LegacyRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._signatures = jwt.PyJWS(algorithms=["HS256"])

    def claims_to_be(self, token: str) -> bool:
        """Whether the header names HS256, which no token of ours does. Which verifier
        reads a token is all that its header decides."""
        return _header_of(token) is not None

    def read(self, token: str) -> LegacyClaims:
        """The claims of a token that is good now.

        Raises:
            CredentialInvalid: Whatever else it is; the answer does not say more.
        """
        payload = self._verified(token)
        self._check(payload)
        return LegacyClaims(payload.sub, float(payload.exp), _scopes_of(payload))

    def _verified(self, token: str) -> _Payload:
        if not _COMPACT.fullmatch(token):
            raise CredentialInvalid("This is not an access token.")
        try:
            found = self._signatures.decode_complete(
                token, self._rules.secret, algorithms=["HS256"]
            )
            raw = loads_strictly(found["payload"])
            return msgspec.convert(raw, _Payload, strict=True)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
            raise CredentialInvalid("The token does not count.") from error

    def _check(self, payload: _Payload) -> None:
        now = self._clock.now().timestamp()
        named = payload.aud if isinstance(payload.aud, list) else [payload.aud]
        if payload.iss != self._rules.issuer or self._rules.audience not in named:
            raise CredentialInvalid("The token was made for another service.")
        if not payload.sub or not abs(payload.exp) < 1e11:
            raise CredentialInvalid("The token does not count.")
        if payload.exp + _LEEWAY_SECONDS <= now:
            raise CredentialInvalid("The token has expired.")
        if max(payload.iat, payload.nbf) - _LEEWAY_SECONDS > now:
            raise CredentialInvalid("The token is not good yet.")


def _header_of(token: str) -> _Header | None:
    try:
        raw = jwt.utils.base64url_decode(token.partition(".")[0])
        header = msgspec.json.decode(raw, type=_Header)
    except (msgspec.MsgspecError, ValueError):
        return None
    return header if header.alg == "HS256" and header.typ.upper() == "JWT" else None


def _scopes_of(payload: _Payload) -> frozenset[str] | None:
    """The scopes that the token names, in either of the usual claims."""
    said = payload.scopes if payload.scopes is not None else payload.scope
    if said is None:
        return None
    return frozenset(said.split() if isinstance(said, str) else said)
