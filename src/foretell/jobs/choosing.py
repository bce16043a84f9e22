"""Finds the executor that the settings name."""

import difflib
from collections.abc import Callable, Mapping

from foretell.core.parts import Parts
from foretell.core.plugins import load_plugin, names_of
from foretell.jobs.carrying import Carrier
from foretell.jobs.doorbell import Doorbell
from foretell.jobs.ports import Bell, Executor
from foretell.settings import Settings, SettingsError

GROUP = "foretell.executors"
EMBEDDED = "embedded"


def open_executor(
    settings: Settings, own: Mapping[str, Callable[[], Executor]]
) -> Executor | None:
    """Make it, without a connection; `None` for the embedded one.

    Args:
        own: What makes the executors of extensions, by name.

    Raises:
        SettingsError: Nobody knows it, its library is not installed, or the broker's
            URL is not for it.
    """
    name = settings.executor
    if name == EMBEDDED:
        return None
    if name in own:
        return own[name]()
    known = names_of(GROUP)
    if name not in known:
        raise SettingsError(_unknown(name, [EMBEDDED, *known, *own]))
    try:
        make: Callable[[str | None], Executor] = load_plugin(GROUP, name)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"FORETELL_EXECUTOR: {name} needs the package {error.name!r}: "
            f"pip install 'foretell[{name}]'"
        ) from error
    return make(settings.broker_address)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"FORETELL_EXECUTOR: there is no executor {name!r}; "
        f"installed: {', '.join(known)}.{hint}"
    )


def find_carrier(parts: Parts) -> Carrier | None:
    """What sends ids, unless workers are rung at the doorbell."""
    found: Carrier | None = parts.ports.get(Carrier)
    return found


def bell_of(parts: Parts) -> Bell:
    """What tells workers about new jobs."""
    return find_carrier(parts) or parts.port(Doorbell)


def close_bells(parts: Parts) -> None:
    """Let go of sockets and brokers, without waiting for either."""
    carrier = find_carrier(parts)
    if carrier is not None:
        carrier.close()
    parts.port(Doorbell).close()
