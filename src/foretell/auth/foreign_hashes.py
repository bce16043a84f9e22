"""Password hashes that other backends made: read, never written.

An imported account keeps its hash as it came. The next sign-in proves the password,
and the hash is replaced by argon2id (`PasswordHasher`), so nobody has to choose a new
one and after a while no old hash is left.
"""

import base64
import hashlib
import hmac
import re
from importlib.util import find_spec
from typing import ClassVar

UNUSABLE = "!"
"""Stored where there is no password: none matches, a reset sets one."""

# A hash may not ask for more time than anybody waits; Django is at 1.5 million.
MAX_ITERATIONS = 10_000_000
MAX_BCRYPT_COST = 16
MAX_ARGON2_KIB = 512 * 1024
_BCRYPT_BYTES = 72

_PBKDF2 = re.compile(r"pbkdf2_(sha256|sha1)\$(\d{1,9})\$([^$]{1,128})\$([\w+/=]{8,})")
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2id\$v=19\$m=(\d{1,9}),t=\d{1,3},p=\d{1,2}\$[^$]+\$[^$]+")


class _ReadOnly:
    """The parts of pwdlib's protocol that are the same for every old hash."""

    pattern: ClassVar[re.Pattern[str]]

    @classmethod
    def identify(cls, hash: str | bytes) -> bool:
        return cls.pattern.fullmatch(_text(hash)) is not None

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        raise NotImplementedError("old hashes are read, never made")

    def check_needs_rehash(self, hash: str | bytes) -> bool:
        return True


class Pbkdf2Reader(_ReadOnly):
    """`pbkdf2_sha256$iterations$salt$hash`, Django's default."""

    pattern = _PBKDF2

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        match = _PBKDF2.fullmatch(_text(hash))
        if match is None or int(match[2]) > MAX_ITERATIONS:
            return False
        made = hashlib.pbkdf2_hmac(
            match[1], _bytes(password), match[3].encode(), int(match[2])
        )
        return hmac.compare_digest(base64.b64encode(made), match[4].encode())


class BcryptReader(_ReadOnly):
    """`$2b$…`, and the older `$2a$` and `$2y$`.

    bcrypt looks at 72 bytes. Libraries cut longer passwords there without a word, so
    the hash of one is checked in the same way; its argon2id holds every byte.
    """

    pattern = _BCRYPT

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        import bcrypt

        cut = _bytes(password)[:_BCRYPT_BYTES]
        # What follows a NUL was never part of such a hash; newer libraries refuse it.
        if b"\0" in cut:
            return False
        return bcrypt.checkpw(cut, _text(hash).encode())


class DjangoBcryptReader(_ReadOnly):
    """`bcrypt_sha256$$2b$…`: Django hashes a password first, so that its length does
    not matter."""

    pattern = re.compile(r"bcrypt_sha256\$(\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})")

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        match = self.pattern.fullmatch(_text(hash))
        if match is None:
            return False
        first = hashlib.sha256(_bytes(password)).hexdigest()
        return BcryptReader().verify(first, match[1])


READERS = (Pbkdf2Reader(), BcryptReader(), DjangoBcryptReader())


class HashUnreadable(ValueError):
    """The hash is of no kind that can be imported; the message says why."""


def imported_hash(text: str) -> str:
    """What to store for a hash of another backend; Django's own way of writing bcrypt
    and argon2 included.

    Raises:
        HashUnreadable: No password could ever be checked against it.
    """
    if text.startswith(UNUSABLE) or not text:
        return UNUSABLE
    plain = text.removeprefix("argon2") if text.startswith("argon2$") else text
    if text.startswith("bcrypt$"):
        plain = text.removeprefix("bcrypt$")
    for pattern, most, group, unit in _BOUNDS:
        if match := pattern.fullmatch(plain):
            if int(match[group]) > most:
                raise HashUnreadable(
                    f"would take too long to check ({unit} above {most:,})"
                )
            return _with_library(plain)
    raise HashUnreadable("is of no kind that is known here")


_BOUNDS = (
    (_PBKDF2, MAX_ITERATIONS, 2, "iterations"),
    (_BCRYPT, MAX_BCRYPT_COST, 1, "cost"),
    (re.compile(r"bcrypt_sha256\$\$2[aby]\$(\d\d)\$.{53}"), MAX_BCRYPT_COST, 1, "cost"),
    (_ARGON2, MAX_ARGON2_KIB, 1, "KiB"),
)


def _with_library(text: str) -> str:
    if text.startswith(("$2", "bcrypt")) and find_spec("bcrypt") is None:
        raise HashUnreadable(
            "is bcrypt, which needs a library: pip install 'foretell[bcrypt]'"
        )
    return text


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
