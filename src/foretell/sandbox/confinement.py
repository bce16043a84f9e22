"""Close the doors of this process, from the inside and for good.

Order matters: modules are imported before (their files may lie anywhere), limits
and Landlock come next, the call filter last, because it forbids what the steps
before it need.
"""

import ctypes
import os
import resource
import sys
import sysconfig
import tempfile
from pathlib import Path

import foretell
from foretell.sandbox import landlock, seccomp
from foretell.sandbox.errors import SandboxIncomplete
from foretell.sandbox.level import SandboxLevel, describe
from foretell.sandbox.messages import Confinement

_GIB = 1 << 30
# Virtual memory says little about real use (thread arenas, mapped files), so this
# is only the net; the limit that counts is watched from outside.
_ADDRESS_SPACE_FLOOR_BYTES = 8 * _GIB
_OPEN_FILES = 1024
_CAPABILITY_VERSION = 0x20080522

# What libraries read about the machine they run on; nothing of the server's.
_SYSTEM_READS = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self/cgroup",
    "/proc/self/maps",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
)


def confine(confinement: Confinement) -> SandboxLevel:
    """Apply every part that this machine offers and say which those were.

    Raises:
        RuntimeError: There is more than one thread; Landlock holds only this one.
        SandboxIncomplete: A part is missing and `require` is set.
    """
    has_seccomp = seccomp.is_available()
    held = describe(landlock.abi(), has_seccomp)
    if confinement.require and not held.complete:
        raise SandboxIncomplete(held.missing, held.note)
    if held.landlock is not None:
        _check_single_thread()
    _enter_folder(confinement)
    _limit(confinement)
    if held.landlock is not None:
        landlock.restrict(
            read=[Path(path) for path in confinement.read],
            write=[Path(path) for path in (*confinement.write, os.devnull)],
            optional=[*map(Path, _SYSTEM_READS), *library_paths()],
        )
    if sys.platform == "linux":
        _drop_capabilities()
    if has_seccomp:
        seccomp.install()
    return held


def library_paths() -> list[Path]:
    """List the folders that hold Python, its packages and this package.

    Folders that a program put on `sys.path` (often its own, with its data beside
    it) are left out: what stands there is imported before the doors close.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    libraries = {Path(p, lib) for p in prefixes for lib in ("lib", "lib64")}
    named = {"stdlib", "platstdlib", "purelib", "platlib"}
    scheme = {Path(path) for key, path in sysconfig.get_paths().items() if key in named}
    packages = {
        Path(entry)
        for entry in sys.path
        if Path(entry).name in ("site-packages", "dist-packages")
    }
    return sorted({*libraries, *scheme, *packages, *map(Path, foretell.__path__)})


def _check_single_thread() -> None:
    try:
        threads = len(os.listdir("/proc/self/task"))
    except OSError:  # no /proc: nothing to be learned
        return
    if threads > 1:
        raise RuntimeError(
            "A module started a thread while the child imported it; name it in"
            " `preload`, so that it is imported before the fork."
        )


def _enter_folder(confinement: Confinement) -> None:
    folder = next((path for path in confinement.write if os.path.isdir(path)), "/")
    os.chdir(folder)
    for name in ("TMPDIR", "HOME", "POLARS_TEMP_DIR"):
        os.environ[name] = folder
    tempfile.tempdir = None


def _limit(confinement: Confinement) -> None:
    os.nice(confinement.niceness)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    if sys.platform == "linux":  # elsewhere the kernel ignores or refuses it
        _lower(resource.RLIMIT_AS, _address_space_bytes(confinement))
    if confinement.cpu_seconds is not None:
        # The second beyond is for a child that ignores SIGXCPU.
        _lower(resource.RLIMIT_CPU, confinement.cpu_seconds, spare=1)
    if confinement.file_bytes is not None:
        _lower(resource.RLIMIT_FSIZE, confinement.file_bytes)


def _address_space_bytes(confinement: Confinement) -> int:
    if confinement.is_tight:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * resource.getpagesize() + confinement.memory_bytes
    return max(_ADDRESS_SPACE_FLOOR_BYTES, 2 * confinement.memory_bytes + 2 * _GIB)


def _lower(limit: int, value: int, spare: int = 0) -> None:
    _, hard = resource.getrlimit(limit)
    ceiling = value + spare
    if hard != resource.RLIM_INFINITY:
        ceiling = min(ceiling, hard)
    resource.setrlimit(limit, (min(value, ceiling), ceiling))


def _drop_capabilities() -> None:
    """Leave root nothing but its name."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, nothing) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
