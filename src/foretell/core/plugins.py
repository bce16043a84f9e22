"""Plug-ins: found by entry point and name, ours exactly like anybody's."""

from importlib.metadata import entry_points
from typing import Any

from foretell.errors import Invalid


class PluginMissing(Invalid):
    """No installed package offers the plug-in that is asked for."""

    slug = "plugin-missing"


def load_plugin(group: str, name: str) -> Any:
    """Import what is registered as `name` in the entry point group `group`.

    Raises:
        PluginMissing: Naming the installed ones.
    """
    found = {point.name: point for point in entry_points(group=group)}
    if name not in found:
        installed = ", ".join(sorted(found)) or "none"
        raise PluginMissing(
            f"There is no {name!r} in {group}; installed: {installed}. "
            "It may be an extra: pip install 'foretell[all]'.",
            name=name,
        )
    return found[name].load()


def names_of(group: str) -> list[str]:
    """What is registered in an entry point group."""
    return sorted(point.name for point in entry_points(group=group))
