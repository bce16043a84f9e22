"""Our access tokens: signed JWTs (RFC 9068), made and read in this one place.

One algorithm (ES256), one type (`at+jwt`), a header with exactly three members and
claims of exact types leave nothing for a token to choose. PyJWT checks the
signature; the claims are checked here, by the server's clock and strictly: PyJWT
would accept `"exp": "9999999999"`.
"""

import re
from datetime import timedelta
from typing import Literal

import jwt
import msgspec

from foretell.auth.errors import CredentialInvalid
from foretell.auth.keyring import KeyRing
from foretell.auth.strict_json import loads_strictly
from foretell.core.clock import Clock
from foretell.core.ids import new_id

AUDIENCE = "foretell"
LIFETIME = timedelta(minutes=10)
MAX_TOKEN_CHARS = 8 * 1024
_LEEWAY_SECONDS = 5
_COMPACT = re.compile(r"[A-Za-z0-9_-]{16,1024}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{86}")


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: Literal["ES256"]
    typ: Literal["at+jwt"]
    kid: str


class Claims(msgspec.Struct, frozen=True):
    """What a valid access token says. `sid` is empty for one without a sign-in."""

    iss: str
    aud: str
    sub: str
    exp: int
    iat: int
    jti: str
    sid: str
    ver: int
    scope: str
    nbf: int = 0


class AccessTokens:
    """Makes and reads access tokens.

    Args:
        issuer: Our name; a token that names another is not ours.
    """

    def __init__(self, keys: KeyRing, clock: Clock, *, issuer: str) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._signatures = jwt.PyJWS(algorithms=["ES256"])

    async def prepare(self) -> None:
        """Have a key ready. The first one is stored in a transaction of its own, so
        this comes before any transaction in which a token is issued."""
        await self._keys.signing()

    def forget_keys(self) -> None:
        """Read the signing keys again: one may have been removed."""
        self._keys.forget()

    async def issue(
        self,
        user_id: str,
        *,
        version: int,
        scope: str,
        session_id: str = "",
        lifetime: timedelta = LIFETIME,
    ) -> str:
        """Sign a token for a user.

        Args:
            version: The user's `token_version`; raising that ends the token.
            scope: Scopes, parted by spaces.
            session_id: The refresh family whose end is the token's end.
        """
        pair = await self._keys.signing()
        now = int(self._clock.now().timestamp())
        claims = Claims(
            iss=self._issuer,
            aud=AUDIENCE,
            sub=user_id,
            exp=now + int(lifetime.total_seconds()),
            iat=now,
            jti=new_id(),
            sid=session_id,
            ver=version,
            scope=scope,
            nbf=now,
        )
        return self._signatures.encode(
            msgspec.json.encode(claims),
            pair.private,
            algorithm="ES256",
            headers={"typ": "at+jwt", "kid": pair.kid},
        )

    async def read(self, token: str) -> Claims:
        """The claims of a token that we signed and that is good now.

        Raises:
            CredentialInvalid: Whatever else it is; the answer does not say more.
        """
        if len(token) > MAX_TOKEN_CHARS or not _COMPACT.fullmatch(token):
            raise CredentialInvalid("This is not an access token.")
        header = _header_of(token)
        if not await self._keys.knows(header.kid):
            raise CredentialInvalid("The token is signed by a key that is not ours.")
        claims = self._verified(token, header.kid)
        self._check(claims)
        return claims

    def _verified(self, token: str, kid: str) -> Claims:
        key = self._keys.find(kid)
        try:
            if key is None:
                raise jwt.InvalidKeyError
            found = self._signatures.decode_complete(token, key, algorithms=["ES256"])
            raw = loads_strictly(found["payload"])
            return msgspec.convert(raw, Claims, strict=True)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
            raise CredentialInvalid("The token does not count.") from error

    def _check(self, claims: Claims) -> None:
        now = self._clock.now().timestamp()
        if claims.iss != self._issuer or claims.aud != AUDIENCE or not claims.sub:
            raise CredentialInvalid("The token was made for another service.")
        if claims.exp + _LEEWAY_SECONDS <= now:
            raise CredentialInvalid("The token has expired.")
        if max(claims.iat, claims.nbf) - _LEEWAY_SECONDS > now:
            raise CredentialInvalid("The token is not good yet.")


def _header_of(token: str) -> _Header:
    part = token.partition(".")[0]
    try:
        raw = jwt.utils.base64url_decode(part)
        return msgspec.json.decode(raw, type=_Header)
    except (msgspec.MsgspecError, ValueError) as error:
        raise CredentialInvalid("The token's header is not one of ours.") from error
