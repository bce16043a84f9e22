"""Secrets that mean nothing by themselves: API keys, refresh tokens, codes.

All are drawn from 62 letters and digits, so that a double click selects them and
no encoding changes them. With 256 random bits a plain SHA-256 is a safe way to
store them; the shorter setup code is stored as a keyed HMAC.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY_PREFIX = "ftl_"
REFRESH_PREFIX = "ftr_"
# No letter that a person could take for another.
_CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_API_KEY = re.compile(r"ftl_([0-9A-Za-z]{10})_[0-9A-Za-z]{43}([0-9A-Za-z]{6})")
_REFRESH = re.compile(r"ftr_[0-9A-Za-z]{43}")


def new_secret() -> str:
    """43 random characters, 256 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(_SECRET_LENGTH))


def digest(text: str) -> str:
    """SHA-256 of a secret, as it is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_api_key() -> tuple[str, str]:
    """Make an API key; gives its id and the key itself.

    The last six characters are the CRC-32 of the rest, so that a mistyped or
    made-up key is refused without asking the database.
    """
    key_id = "".join(secrets.choice(ALPHABET) for _ in range(10))
    body = f"{KEY_PREFIX}{key_id}_{new_secret()}"
    return key_id, body + _checksum(body)


def find_key_id(text: str) -> str | None:
    """The id inside a well-formed API key."""
    match = _API_KEY.fullmatch(text)
    if match is None or _checksum(text[:-6]) != match.group(2):
        return None
    return match.group(1)


def new_refresh_token() -> str:
    return REFRESH_PREFIX + new_secret()


def is_refresh_token(text: str) -> bool:
    return _REFRESH.fullmatch(text) is not None


def successor_of(refresh_token: str, key: bytes) -> str:
    """The refresh token that follows `refresh_token`.

    It is computed, not drawn: whoever repeats the exchange within the grace time
    gets the same successor although only its digest is stored. Without `key`
    nobody can compute it.
    """
    raw = hmac.digest(key, b"successor:" + refresh_token.encode(), "sha256")
    return REFRESH_PREFIX + _base62(int.from_bytes(raw, "big"), _SECRET_LENGTH)


def new_setup_code() -> str:
    """Eight characters in two groups, 40 bits: short-lived and throttled."""
    drawn = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(8))
    return f"{drawn[:4]}-{drawn[4:]}"


def code_digest(purpose: str, code: str, key: bytes) -> str:
    """Keyed digest of a one-time code; case and the hyphen do not count in a
    setup code, which people type."""
    if purpose == "setup":
        code = code.strip().upper().replace("-", "")
    text = f"{purpose}:{code}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, text, "sha256").hex()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), 6)


def _base62(number: int, length: int) -> str:
    drawn = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        drawn.append(ALPHABET[rest])
    return "".join(reversed(drawn))
