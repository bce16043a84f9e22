"""Take all files away from this process but those on two short lists.

Landlock is a kernel feature that an ordinary process may use on itself; it holds
for root as well. It knows versions ("ABI"); an older kernel restricts less, so each right is asked for only
where the kernel knows it.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from foretell.sandbox.seccomp import give_up_new_privileges

_SYS_CREATE_RULESET = 444
_SYS_ADD_RULE = 445
_SYS_RESTRICT_SELF = 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_REMOVE_DIR = 1 << 4
_REMOVE_FILE = 1 << 5
_MAKE_DIR = 1 << 7
_MAKE_REG = 1 << 8
_REFER = 1 << 13
_TRUNCATE = 1 << 14

# Highest file right of each ABI, as a mask of all rights up to it.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_RIGHTS_SINCE = 4
_NET_RIGHTS = 0b11  # bind and connect TCP
_SCOPES_SINCE = 6
_SCOPES = 0b11  # abstract unix sockets and signals stay inside

_READ = _READ_FILE | _READ_DIR
# No MAKE_SYM, MAKE_FIFO, MAKE_SOCK: whoever opens the folder afterwards should
# meet nothing but folders and regular files.
_WRITE = (
    _READ
    | _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _REFER
    | _TRUNCATE
)
_OF_A_FILE = _WRITE_FILE | _READ_FILE | _TRUNCATE


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # Python 3.14 wants the layout of packed structures named
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int | None:
    """Return the Landlock version of this kernel, or None without Landlock."""
    if not hasattr(os, "uname") or os.uname().sysname != "Linux":
        return None
    try:
        version = _syscall(_SYS_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return None
    return version if version >= 1 else None


def restrict(
    *, read: Iterable[Path], write: Iterable[Path], optional: Iterable[Path] = ()
) -> int:
    """Close every path but the given ones, for this process and for good.

    Args:
        read: Files, or folders with all below them, that may be read.
        write: The same, that may be read, written, made and removed.
        optional: Like `read`, left out where they do not exist.

    Returns:
        The ABI that was applied.

    Raises:
        OSError: A listed path does not exist, or the kernel has no Landlock.
    """
    version = _syscall(_SYS_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    handled = max(mask for since, mask in _FILE_RIGHTS.items() if version >= since)
    attributes = _RulesetAttributes(
        handled,
        _NET_RIGHTS if version >= _NET_RIGHTS_SINCE else 0,
        _SCOPES if version >= _SCOPES_SINCE else 0,
    )
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _NET_RIGHTS_SINCE else 8
    ruleset = _syscall(_SYS_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        for path in read:
            _allow(ruleset, path, _READ & handled)
        for path in optional:
            if path.exists():
                _allow(ruleset, path, _READ & handled)
        for path in write:
            _allow(ruleset, path, _WRITE & handled)
        give_up_new_privileges()
        _syscall(_SYS_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_A_FILE
        rule = _PathBeneath(rights, descriptor)
        _syscall(_SYS_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _syscall(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    wide = (ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    result = int(libc.syscall(ctypes.c_long(number), *wide))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
