"""The server's secret: from the settings, or made once and kept in DATA_DIR."""

import os
import secrets
from pathlib import Path

from foretell.settings import MIN_SECRET_BYTES, Settings, SettingsError

_FILE = "secret.key"


def load_secret(settings: Settings) -> bytes:
    """The secret that signs cursors and seals what must not be read.

    Raises:
        SettingsError: The kept file is short or readable by others.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = settings.data_dir / _FILE
    try:
        return _read(path)
    except FileNotFoundError:
        return _make(path)


def load_secrets(settings: Settings) -> list[bytes]:
    """The secret, and behind it the one before where SECRET_KEY_OLD still names it."""
    old = settings.secret_key_old
    found = [load_secret(settings)]
    return found if old is None else [*found, old.get_secret_value().encode()]


def _make(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{_FILE}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        # Linking fails where another process was first; then its secret counts.
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{_FILE}: others can read it; run chmod 600 on it")
    secret = path.read_text().strip().encode()
    if len(secret) < MIN_SECRET_BYTES:
        raise SettingsError(f"{_FILE}: needs at least {MIN_SECRET_BYTES} bytes")
    return secret
