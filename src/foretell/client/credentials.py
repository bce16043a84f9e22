"""Where the server is and which API key opens it.

A key of a local data directory opens everything there, so it goes to no other
machine: it is sent only to a loopback address.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from foretell.client.errors import CredentialMissing, KeyFileExposed
from foretell.settings import load_settings

KEY_FILE = "cli.key"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Target:
    """A server and the credential for it."""

    url: str
    api_key: str


def find_target(url: str | None = None, api_key: str | None = None) -> Target:
    """Complete what is not given from the environment and the local data directory.

    Raises:
        CredentialMissing: There is no key anywhere.
        KeyFileExposed: The key file is open to other users.
        SettingsError: The settings of the local server are wrong.
    """
    url = url or os.environ.get("FORETELL_URL")
    api_key = api_key or os.environ.get("FORETELL_API_KEY")
    if url and api_key:
        return Target(url.rstrip("/"), api_key)
    settings = load_settings()
    url = (url or address_of(settings.host, settings.port)).rstrip("/")
    return Target(url, api_key or _local_key(settings.data_dir, url))


def read_key_file(folder: Path) -> str | None:
    """The key of a local data directory, `None` when it has none.

    Raises:
        KeyFileExposed: Others than its owner may read it.
    """
    file = folder / KEY_FILE
    try:
        mode = file.stat().st_mode
        text = file.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CredentialMissing(f"{KEY_FILE}: {error.strerror}.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileExposed(
            f"{KEY_FILE} in the data directory can be read by other users. "
            f"Delete it and make a new key: foretell key create"
        )
    return text or None


def write_key_file(folder: Path, key: str) -> Path:
    """Keep a key for the commands of this user on this machine."""
    file = folder / KEY_FILE
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(key + "\n")
    fresh.replace(file)
    return file


def address_of(host: str, port: int) -> str:
    """Where a server that listens on `host` is reached from its own machine."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
    name = everywhere.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _local_key(folder: Path, url: str) -> str:
    is_local = urlsplit(url).hostname in _LOOPBACK
    key = read_key_file(folder) if is_local else None
    if key is None:
        raise CredentialMissing(
            "There is no API key. Set FORETELL_API_KEY, or make one on the server's "
            "machine: foretell key create --save"
        )
    return key
