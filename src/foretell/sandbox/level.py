"""How much of the sandbox this machine can build, for `/readyz` and `doctor`."""

import sys
from dataclasses import dataclass

from foretell.sandbox import landlock, seccomp


@dataclass(frozen=True, slots=True)
class SandboxLevel:
    """The parts that hold a child.

    Attributes:
        landlock: Version of the kernel's Landlock that restricts files; None: files
            are not restricted.
        seccomp: Whether dangerous system calls are taken away.
        rlimits: Whether memory, processor time and open files are limited.
        platform: `linux`, `darwin`, ….
        note: One sentence on what is missing; empty when nothing is.
    """

    landlock: int | None
    seccomp: bool
    rlimits: bool
    platform: str
    note: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Name the parts that are not there."""
        parts = {
            "landlock": self.landlock is not None,
            "seccomp": self.seccomp,
            "rlimits": self.rlimits,
        }
        return tuple(name for name, there in parts.items() if not there)

    @property
    def complete(self) -> bool:
        return not self.missing


def level() -> SandboxLevel:
    """Ask this machine which parts a child started here would be held by."""
    return describe(landlock.abi(), seccomp.is_available())


def describe(landlock_abi: int | None, has_seccomp: bool) -> SandboxLevel:
    """Put what was found into words."""
    platform = sys.platform
    return SandboxLevel(
        landlock=landlock_abi,
        seccomp=has_seccomp,
        rlimits=platform != "win32",
        platform=platform,
        note=_note(platform, landlock_abi, has_seccomp),
    )


def _note(platform: str, landlock_abi: int | None, has_seccomp: bool) -> str:
    if platform == "win32":
        return "Windows cannot run children; use WSL2 or the container image."
    if platform != "linux":
        return "Only limits hold a child here; open untrusted content on Linux."
    if landlock_abi is None and not has_seccomp:
        return "This kernel offers neither Landlock nor seccomp: only limits hold."
    if landlock_abi is None:
        return "This kernel has no Landlock: a child can read the server's files."
    if not has_seccomp:
        return "This machine has no seccomp filter: a child can open sockets."
    return ""
