"""The filter against an interpreter of its own, and the numbers against headers."""

import errno
import platform
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import integers, sampled_from

from foretell.sandbox.seccomp import Instruction, build
from foretell.sandbox.syscalls import CONDITIONAL, DENIED, LAST_KNOWN

PID = 4321
ALLOW = 0x7FFF0000
EPERM = 0x00050000 | errno.EPERM
ENOSYS = 0x00050000 | errno.ENOSYS
KILL = 0x80000000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def evaluate(
    program: list[Instruction], arch: int, number: int, *arguments: int
) -> int:
    """Run a filter on one call, as the kernel would."""
    words = [number, arch, 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32]
    at = accumulator = 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = words[k // 4]
            case 0x54:
                accumulator &= k
            case 0x15:
                at += yes if accumulator == k else no
            case 0x25:
                at += yes if accumulator > k else no
            case 0x45:
                at += yes if accumulator & k else no
            case 0x06:
                return k


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request):
    return request.param


def test_every_denied_call_is_denied(machine):
    program = build(machine, PID)
    for name, numbers in DENIED.items():
        number = getattr(numbers, machine)
        if number is not None:
            assert evaluate(program, ARCH[machine], number) == EPERM, name


CLONE_THREAD = 0x10000
CALLS = [
    ("clone", (CLONE_THREAD | 0x3D0F00,), ALLOW),
    ("clone", (17,), EPERM),
    ("clone3", (), ENOSYS),
    ("kill", (PID, 9), ALLOW),
    ("kill", (1, 9), EPERM),
    ("kill", (0, 9), EPERM),
    ("kill", (0xFFFFFFFF, 9), EPERM),
    ("tgkill", (PID, PID, 6), ALLOW),
    ("tgkill", (1, 1, 6), EPERM),
    ("socketpair", (1, 1 | 0x80000), ALLOW),
    ("socketpair", (1, 2), EPERM),
    ("socketpair", (30, 1), EPERM),
    ("prlimit64", (0, 7, 0, 1), ALLOW),
    ("prlimit64", (0, 7, 1, 0), EPERM),
    ("prlimit64", (0, 7, 1 << 40, 0), EPERM),
    ("ioctl", (0, 0x5412), EPERM),
    ("ioctl", (0, 0x5401), ALLOW),
    ("fcntl", (0, 8), EPERM),
    ("fcntl", (0, 1), ALLOW),
    ("prctl", (1, 0), EPERM),
    ("prctl", (15, 0), ALLOW),
]


@pytest.mark.parametrize(("name", "arguments", "verdict"), CALLS)
def test_calls_that_depend_on_an_argument(machine, name, arguments, verdict):
    number = getattr(CONDITIONAL[name], machine)
    program = build(machine, PID)
    assert evaluate(program, ARCH[machine], number, *arguments) == verdict


@given(number=integers(0, 2**32 - 1), machine=sampled_from(sorted(ARCH)))
def test_a_call_is_allowed_only_if_it_is_known_and_on_no_list(number, machine):
    listed = {getattr(numbers, machine) for numbers in (DENIED | CONDITIONAL).values()}
    verdict = evaluate(build(machine, PID), ARCH[machine], number)
    if number > LAST_KNOWN:
        assert verdict == ENOSYS
    elif number not in listed:
        assert verdict == ALLOW


def test_calls_of_another_machine_kill(machine):
    assert evaluate(build(machine, PID), 0x40000003, 1) == KILL


def test_numbers_agree_with_the_headers_of_this_machine(machine):
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"no kernel headers for {machine} on {platform.machine()}")
    defined = {
        name: int(number)
        for name, number in re.findall(
            r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()
        )
    }
    for name, numbers in (DENIED | CONDITIONAL).items():
        if name in defined:
            assert getattr(numbers, machine) == defined[name], name
