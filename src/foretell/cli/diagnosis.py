"""What `foretell doctor` looks at: one finding a part.

Imported inside the command: it loads SQLAlchemy.
"""

import os
import platform
import shutil
import time
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from foretell.client.credentials import KEY_FILE
from foretell.connections.addresses import allowed_addresses
from foretell.core import schema
from foretell.core.db import Database
from foretell.core.shared import (
    ANSWER_SECONDS,
    SharedStoreUnavailable,
    open_store,
    within,
)
from foretell.errors import ForetellError
from foretell.extension.active import Extensions
from foretell.extension.discovery import found
from foretell.sandbox.level import level
from foretell.settings import Settings, load_settings

_LOW_BYTES = 2 * 1024**3


class Finding(NamedTuple):
    """One part and whether it would do its work."""

    part: str
    ok: bool
    what: str


async def examine() -> list[Finding]:
    """Look at everything a server needs on this machine.

    Raises:
        SettingsError: The settings, or the driver of the database, are wrong.
    """
    settings = load_settings()
    allowed_addresses(settings)
    findings = [_versions(), _extras(), _folder(settings.data_dir), _key(settings)]
    findings.append(_sandbox(settings))
    extensions = found(settings)
    findings.append(_extensions(extensions))
    findings += [finding async for finding in _database(settings, extensions)]
    findings.append(await _redis(settings))
    return findings


def _versions() -> Finding:
    what = f"foretell {version('foretell')}, Python {platform.python_version()}, "
    return Finding("versions", True, what + platform.platform(terse=True))


def _extras() -> Finding:
    """Which extras are installed: what they name is a choice, not a fault."""
    extras = metadata("foretell").get_all("Provides-Extra") or []
    there = [extra for extra in extras if extra != "all" and _is_installed(extra)]
    missing = [extra for extra in extras if extra != "all" and extra not in there]
    words = f"installed: {', '.join(there) or 'none'}; "
    return Finding(
        "extras",
        True,
        words + f"not installed: {', '.join(missing) or 'none'}"
        " (pip install 'foretell[NAME]')",
    )


def _is_installed(extra: str) -> bool:
    needs = [
        Requirement(text)
        for text in metadata("foretell").get_all("Requires-Dist") or []
    ]
    own = [n for n in needs if n.marker and "extra" in str(n.marker)]
    chosen = [n.name for n in own if n.marker and n.marker.evaluate({"extra": extra})]
    try:
        return bool([version(name) for name in chosen])
    except PackageNotFoundError:
        return False


def _folder(folder: Path) -> Finding:
    there = folder if folder.exists() else folder.resolve().parent
    if not os.access(there, os.W_OK):
        return Finding("data directory", False, f"{folder} cannot be written")
    free = shutil.disk_usage(there).free
    what = f"{folder}, {free / 1024**3:.1f} GiB free"
    return Finding("data directory", free > _LOW_BYTES, what)


def _key(settings: Settings) -> Finding:
    file = settings.data_dir / KEY_FILE
    if not file.exists():
        return Finding("key file", True, "none: foretell key create --save")
    exposed = file.stat().st_mode & 0o077
    what = "others can read it: chmod 600" if exposed else "for its owner alone"
    return Finding("key file", not exposed, what)


def _sandbox(settings: Settings) -> Finding:
    found = level()
    parts = "complete" if found.complete else f"without {', '.join(found.missing)}"
    what = f"{parts}. {found.note}".removesuffix(" ")
    return Finding("sandbox", found.complete or settings.sandbox == "best", what)


def _extensions(extensions: Extensions) -> Finding:
    names = [f"{item.name} ({item.home})" for item in extensions]
    return Finding("extensions", True, ", ".join(names) or "none")


async def _database(
    settings: Settings, extensions: Extensions
) -> AsyncIterator[Finding]:
    database = Database(settings.database_address, pool_size=1)
    driver = database.engine.dialect.driver
    try:
        started = time.perf_counter()
        await database.ping()
        await database.ping()
        milliseconds = (time.perf_counter() - started) / 2 * 1000
        what = f"{database.dialect} by {driver} {version(driver)}"
        yield Finding("database", True, f"{what}, {milliseconds:.1f} ms")
        await schema.ensure_current(database, extensions.branches())
        yield Finding("schema", True, "current")
    except ForetellError as error:
        yield Finding("database", False, error.detail)
    finally:
        await database.close()


async def _redis(settings: Settings) -> Finding:
    """The shared store. Away, it is told and no fault: nothing needs it."""
    store = open_store(settings)
    if store is None:
        return Finding("redis", True, "none: limits and figures are kept per process")
    try:
        started = time.perf_counter()
        await within(store.ping(), ANSWER_SECONDS)
        milliseconds = (time.perf_counter() - started) * 1000
        return Finding("redis", True, f"answers, connected in {milliseconds:.1f} ms")
    except SharedStoreUnavailable as error:
        return Finding("redis", True, f"{error.detail} A server works without it.")
    except TimeoutError:
        return Finding("redis", True, "no answer in time. A server works without it.")
    finally:
        await store.close()
