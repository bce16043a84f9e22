"""Secrets at rest: sealed under a key made of the server's secret.

Each sealed text names its key, so that a record says which secret it needs. A new
secret is brought in beside the old one (`SECRET_KEY_OLD`), the task
`connections.reseal` seals everything anew, and the old one goes.
"""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from foretell.auth.keyring import derived_key


class SealBroken(Exception):
    """No known key opens it."""


class Seal:
    """Seals with the first secret, opens with any of them.

    Args:
        purpose: What it is for; nothing that was sealed for another one opens.
    """

    def __init__(self, secrets: Sequence[bytes], purpose: bytes) -> None:
        keys = [derived_key(secret, purpose) for secret in secrets]
        self._keys = {
            hashlib.sha256(key).hexdigest()[:8]: Fernet(base64.urlsafe_b64encode(key))
            for key in keys
        }
        self._current = next(iter(self._keys))

    def close(self, secret: SecretStr) -> str:
        """The sealed text of a secret, with the id of its key."""
        sealed = self._keys[self._current].encrypt(secret.get_secret_value().encode())
        return f"{self._current}:{sealed.decode()}"

    def open(self, sealed: str) -> SecretStr:
        """The secret.

        Raises:
            SealBroken: It was sealed with another server's secret, or changed.
        """
        key_id, _, token = sealed.partition(":")
        key = self._keys.get(key_id)
        if key is None:
            raise SealBroken
        try:
            return SecretStr(key.decrypt(token).decode())
        except InvalidToken:
            raise SealBroken from None

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed with the secret that counts now."""
        return sealed.startswith(f"{self._current}:")
