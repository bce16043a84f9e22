"""A filter that takes dangerous system calls away from this process for good.

Written as classic BPF and installed through ctypes: libseccomp would be
one more system package, and its Python binding searched for the library after the
doors were closed. Denied calls answer EPERM, so that a library sees an ordinary
error and the caller a readable one.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

from foretell.sandbox.syscalls import CONDITIONAL, DENIED, LAST_KNOWN

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000
_RET_KILL_PROCESS = 0x80000000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_NUMBER_AT = 0
_ARCH_AT = 4

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1
_SECCOMP_GET_ACTION_AVAIL = 2
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}

_CLONE_THREAD = 0x00010000
_AF_UNIX = 1
_SOCK_STREAM = 1
_SOCK_TYPE_BITS = 0xF
# TIOCSTI and TIOCLINUX type into a terminal; the other two aim signals.
_IOCTLS = (0x5412, 0x541C, 0x8901, 0x8902)
_FCNTLS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to other processes

Instruction = tuple[int, int, int, int]

_DENY: Instruction = (_RETURN, 0, 0, _RET_ERRNO | errno.EPERM)
_ABSENT: Instruction = (_RETURN, 0, 0, _RET_ERRNO | errno.ENOSYS)
_ALLOW: Instruction = (_RETURN, 0, 0, _RET_ALLOW)


def is_available() -> bool:
    """Tell whether this kernel and machine can take the filter."""
    machine = platform.machine()
    if not hasattr(os, "uname") or os.uname().sysname != "Linux":
        return False
    if machine not in _AUDIT_ARCH:
        return False
    try:
        action = ctypes.c_uint32(_RET_ERRNO)
        _seccomp(_SECCOMP_GET_ACTION_AVAIL, 0, action)
    except OSError:
        return False
    return True


def install() -> None:
    """Filter the calls of all threads of this process from now on.

    Gaining privileges is given up first, which the kernel demands of anyone but
    root.

    Raises:
        OSError: The kernel refuses.
    """
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in build(platform.machine(), os.getpid())
    )
    buffer = ctypes.create_string_buffer(program, len(program))

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    header = _Program(len(program) // 8, ctypes.addressof(buffer))
    give_up_new_privileges()
    _seccomp(_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, header)


def build(machine: str, pid: int) -> list[Instruction]:
    """Lay out the filter for one machine and one process.

    Args:
        machine: `x86_64` or `aarch64`.
        pid: The process that may still signal itself (`abort()` does).
    """
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _RET_KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
        # Newer calls, and on x86_64 the x32 calls (bit 30), do not exist here.
        (_GREATER, 0, 1, LAST_KNOWN),
        _ABSENT,
    ]
    for numbers in DENIED.values():
        number = getattr(numbers, machine)
        if number is not None:
            program += [(_EQUAL, 0, 1, number), _DENY]
    for name, rule in _rules(pid).items():
        number = getattr(CONDITIONAL[name], machine)
        program += [(_EQUAL, 0, len(rule), number), *rule]
    program.append(_ALLOW)
    return program


def _rules(pid: int) -> dict[str, list[Instruction]]:
    """Give the calls that depend on an argument; each rule ends in a return."""
    own = list(_allow_only(0, pid))
    return {
        # Threads only. glibc falls back to clone when clone3, whose flags a
        # filter cannot read, is absent.
        "clone": [_low(0), (_ANY_BIT, 0, 1, _CLONE_THREAD), _ALLOW, _DENY],
        "clone3": [_ABSENT],
        "kill": own,
        "tgkill": own,
        # Stream pairs only: a datagram socket could name another receiver.
        "socketpair": [
            _low(0),
            (_EQUAL, 1, 0, _AF_UNIX),
            _DENY,
            _low(1),
            (_AND, 0, 0, _SOCK_TYPE_BITS),
            (_EQUAL, 0, 1, _SOCK_STREAM),
            _ALLOW,
            _DENY,
        ],
        # Reading limits is fine, setting them (argument 2 not null) is not.
        "prlimit64": [
            _low(2),
            (_EQUAL, 0, 3, 0),
            _high(2),
            (_EQUAL, 0, 1, 0),
            _ALLOW,
            _DENY,
        ],
        "ioctl": list(_deny_values(1, _IOCTLS)),
        "fcntl": list(_deny_values(1, _FCNTLS)),
        # The child must die with its parent.
        "prctl": list(_deny_values(0, (_PR_SET_PDEATHSIG,))),
    }


def _allow_only(argument: int, value: int) -> Iterator[Instruction]:
    yield _low(argument)
    yield (_EQUAL, 0, 1, value)
    yield _ALLOW
    yield _DENY


def _deny_values(argument: int, values: tuple[int, ...]) -> Iterator[Instruction]:
    yield _low(argument)
    for value in values:
        yield (_EQUAL, 0, 1, value)
        yield _DENY
    yield _ALLOW


def _low(argument: int) -> Instruction:
    """Load the low half of an argument; both machines are little-endian."""
    return (_LOAD, 0, 0, 16 + 8 * argument)


def _high(argument: int) -> Instruction:
    return (_LOAD, 0, 0, 20 + 8 * argument)


def give_up_new_privileges() -> None:
    """Make this process unable to gain rights, for example by a set-uid program."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_ulong(n) for n in (1, 0, 0, 0))
    if libc.prctl(ctypes.c_int(_PR_SET_NO_NEW_PRIVS), *arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _seccomp(
    operation: int, flags: int, argument: ctypes.Structure | ctypes.c_uint32
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.syscall(
        ctypes.c_long(_SYS_SECCOMP[platform.machine()]),
        ctypes.c_uint(operation),
        ctypes.c_uint(flags),
        ctypes.byref(argument),
    )
    if answer != 0:  # above 0: the thread that could not be made to follow
        code = ctypes.get_errno() or errno.EAGAIN
        raise OSError(code, os.strerror(code))
