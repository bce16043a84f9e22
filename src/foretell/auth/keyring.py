"""The ES256 keys that sign access tokens, shared by every node through the database.

The private half is sealed under the server's secret, so a stolen database signs
nothing. Every node reads the table at least once a minute, and a new key signs only
when it is older than that, so no node meets a token whose key it has not seen. One
that meets an unknown `kid` all the same reads again, at most once a second; nothing
a token says can make the server fetch a key from elsewhere.
"""

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm

from foretell.auth.store import SigningKeyStore
from foretell.auth.tables import SigningKey
from foretell.core.clock import Clock
from foretell.core.ids import new_id
from foretell.core.logs import get_logger
from foretell.errors import Unavailable

log = get_logger("foretell.auth")

ROTATE_AFTER = timedelta(days=90)
_KEEP_OLD = timedelta(days=1)
_SETTLING = timedelta(minutes=2)
_READ_AFTER = timedelta(minutes=1)
_UNKNOWN_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A signing key as the command line shows it."""

    kid: str
    created_at: datetime
    signs: bool


Stores = Callable[[], AbstractAsyncContextManager[SigningKeyStore]]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One signing key; `private` is missing when the server's secret changed."""

    kid: str
    created_at: datetime
    public: ec.EllipticCurvePublicKey
    private: ec.EllipticCurvePrivateKey | None


@dataclass(frozen=True, slots=True)
class SigningPair:
    """What a token is signed with."""

    kid: str
    private: ec.EllipticCurvePrivateKey


class KeyRing:
    """Signing keys in memory.

    Args:
        reading, writing: Open a store for a read, or for one unit of work.
        secret: The server's secret; seals private keys.
    """

    def __init__(
        self, *, reading: Stores, writing: Stores, secret: bytes, clock: Clock
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._seal = Fernet(base64.urlsafe_b64encode(derived_key(secret, b"keys")))
        self._clock = clock
        self._pairs: dict[str, KeyPair] = {}
        self._read_at: datetime | None = None

    async def signing(self) -> SigningPair:
        """The newest key that this server can sign with; makes the first one."""
        await self._read_if_older(_READ_AFTER)
        if self._chosen() is None:
            await self.rotate()
        pair = self._chosen()
        if pair is None or pair.private is None:
            raise Unavailable("There is no key to sign tokens with.")
        return SigningPair(pair.kid, pair.private)

    async def rotate(self) -> str:
        """Add a key, which will sign in two minutes; gives its `kid`. Older keys go
        on verifying."""
        private = ec.generate_private_key(ec.SECP256R1())
        kid = new_id().replace("-", "")  # by age, like the ids
        async with self._writing() as store:
            await store.add(
                kid,
                public_pem=_public_pem(private.public_key()),
                sealed_private=self._seal.encrypt(_private_pem(private)).decode(),
                now=self._clock.now(),
            )
        await self._read()
        return kid

    async def keep(self) -> None:
        """Rotate a key of 90 days; delete those that had a successor a day ago."""
        await self._read()
        now = self._clock.now()
        pairs = list(self._pairs.values())
        for old, successor in pairwise(pairs):
            if now - successor.created_at >= _KEEP_OLD:
                await self.remove(old.kid)
        if pairs and now - pairs[-1].created_at >= ROTATE_AFTER:
            await self.rotate()

    async def remove(self, kid: str) -> None:
        """Delete a key; its tokens are refused from the next epoch on."""
        async with self._writing() as store:
            await store.delete(kid)
        await self._read()

    def forget(self) -> None:
        """Read the table again before the next use."""
        self._read_at = None

    def find(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        """The public key named `kid`, from memory."""
        pair = self._pairs.get(kid)
        return pair.public if pair else None

    async def knows(self, kid: str) -> bool:
        """Whether `kid` is ours; may read the table, at most once a second."""
        await self._read_if_older(_READ_AFTER)
        if kid not in self._pairs:
            await self._read_if_older(_UNKNOWN_EVERY)
        return kid in self._pairs

    async def public_jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517) of all keys, public halves only."""
        await self.signing()
        return {"keys": [_jwk_of(pair) for pair in self._pairs.values()]}

    async def list_all(self) -> list[ListedKey]:
        """Every key, oldest first."""
        await self._read()
        chosen = self._chosen()
        return [
            ListedKey(pair.kid, pair.created_at, signs=pair is chosen)
            for pair in self._pairs.values()
        ]

    async def _read_if_older(self, age: timedelta) -> None:
        now = self._clock.now()
        if self._read_at is None or abs(now - self._read_at) >= age:
            await self._read()

    async def _read(self) -> None:
        self._read_at = self._clock.now()
        async with self._reading() as store:
            rows = await store.list_all()
        self._pairs = {row.kid: self._open(row) for row in rows}

    def _chosen(self) -> KeyPair | None:
        """The newest key that every node has read; among first keys the oldest."""
        usable = [pair for pair in self._pairs.values() if pair.private is not None]
        now = self._clock.now()
        settled = [pair for pair in usable if now - pair.created_at >= _SETTLING]
        return settled[-1] if settled else next(iter(usable), None)

    def _open(self, row: SigningKey) -> KeyPair:
        public = serialization.load_pem_public_key(row.public_pem.encode())
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise TypeError("a signing key is not an elliptic curve key")
        try:
            opened = self._seal.decrypt(row.sealed_private)
        except InvalidToken:
            log.warning("auth.signing_key_sealed_by_other_secret", kid=row.kid)
            return KeyPair(row.kid, row.created_at, public, None)
        private = serialization.load_pem_private_key(opened, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise TypeError("a signing key is not an elliptic curve key")
        return KeyPair(row.kid, row.created_at, public, private)


def derived_key(secret: bytes, purpose: bytes) -> bytes:
    """A 32-byte key for one purpose, so that no two uses share the server's secret."""
    hkdf = HKDF(hashes.SHA256(), length=32, salt=None, info=b"foretell:" + purpose)
    return hkdf.derive(secret)


def _jwk_of(pair: KeyPair) -> dict[str, Any]:
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(pair.public, as_dict=True)
    return jwk | {"kid": pair.kid, "use": "sig", "alg": "ES256"}


def _public_pem(key: ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
