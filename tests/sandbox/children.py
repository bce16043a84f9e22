"""Functions that the tests run in children; each is what an attacker might try."""

import ctypes
import mmap
import os
import platform
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from foretell.errors import FieldError, Invalid, NotFound, Throttled
from foretell.sandbox.child import Report
from foretell.sandbox.frames import receive_frame, send_frame
from foretell.sandbox.syscalls import DENIED


class Text(msgspec.Struct):
    text: str = ""


class Number(msgspec.Struct):
    number: int


class Table(msgspec.Struct):
    columns: dict[str, list[float]]


class HomeMade(Invalid):
    """An error class outside the package."""

    slug = "home-made"


def double(request: Number, report: Report) -> Number:
    return Number(request.number * 2)


def count_up(request: Number, report: Report) -> Number:
    for number in range(request.number):
        report(Number(number))
    return Number(request.number)


def read_file(request: Text, report: Report) -> Text:
    return Text(Path(request.text).read_text())


def list_folder(request: Text, report: Report) -> Text:
    return Text(" ".join(os.listdir(request.text)))


def write_file(request: Text, report: Report) -> Text:
    Path(request.text).write_text("written")
    return Text(os.getcwd())


def attempt(request: Text, report: Report) -> Text:
    """Try one forbidden thing; answer with the error's name, or `done`."""
    try:
        _ATTEMPTS[request.text]()
    except OSError as error:
        return Text(type(error).__name__)
    return Text("done")


def _connect_to_nothing() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=1)


def _unix_socket() -> None:
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def _datagram_pair() -> None:
    socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def _execute() -> None:
    os.execv("/bin/true", ["true"])  # noqa: S606


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _signal_parent() -> None:
    os.kill(os.getppid(), 0)


def _own_group() -> None:
    os.killpg(0, signal.SIGKILL)


def _link_out() -> None:
    os.symlink("/etc/passwd", "link")


def _hard_link() -> None:
    Path("a").touch()
    os.link("a", "b")


def _mode() -> None:
    Path("a").touch()
    os.chmod("a", 0o600)


def _owner() -> None:
    Path("a").touch()
    os.chown("a", os.getuid(), os.getgid())


def _raise_limit() -> None:
    import resource

    hard = resource.RLIM_INFINITY
    try:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    except ValueError as error:  # what the module makes of EPERM
        raise PermissionError from error


def _outlive_parent() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


_DENIED_CALLS = (
    "unshare",
    "io_uring_setup",
    "ptrace",
    "bpf",
    "keyctl",
    "userfaultfd",
    "process_vm_readv",
    "mount",
)


def _call(name: str) -> Callable[[], None]:
    number = getattr(DENIED[name], platform.machine())

    def call() -> None:
        if ctypes.CDLL(None, use_errno=True).syscall(number, 0, 0, 0, 0, 0) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return call


def _thread() -> None:
    thread = threading.Thread(target=time.monotonic)
    thread.start()
    thread.join()


def _stream_pair() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    theirs.close()


_ATTEMPTS: dict[str, Callable[[], Any]] = {
    "connect": _connect_to_nothing,
    "unix socket": _unix_socket,
    "datagram pair": _datagram_pair,
    "execute": _execute,
    "fork": _fork,
    "signal the parent": _signal_parent,
    "signal the group": _own_group,
    "symbolic link": _link_out,
    "hard link": _hard_link,
    "chmod": _mode,
    "chown": _owner,
    "raise a limit": _raise_limit,
    "outlive the parent": _outlive_parent,
    "memory file": lambda: os.memfd_create("hidden"),
    **{name: _call(name) for name in _DENIED_CALLS},
    "thread": _thread,
    "stream pair": _stream_pair,
}


def allocate(request: Number, report: Report) -> Number:
    blocks = [bytearray(64 << 20) for _ in range(request.number // (64 << 20))]
    report(Number(len(blocks)))
    time.sleep(30)
    return Number(len(blocks))


def allocate_shared(request: Number, report: Report) -> Number:
    area = mmap.mmap(-1, request.number)
    for start in range(0, request.number, mmap.PAGESIZE):
        area[start] = 1
    time.sleep(30)
    return request


def allocate_beyond_the_net(request: Number, report: Report) -> Number:
    return Number(len(bytearray(64 << 30)))


def map_memory(request: Number, report: Report) -> Number:
    """Ask for memory without touching it, so that no watch sees it."""
    try:
        mmap.mmap(-1, request.number).close()
    except OSError as error:
        raise MemoryError from error
    return request


def parent(request: Number, report: Report) -> Number:
    return Number(os.getppid())


def die(request: Number, report: Report) -> Number:
    os.kill(os.getpid(), request.number)
    return request


def abort(request: Number, report: Report) -> Number:
    os.abort()


def segfault(request: Number, report: Report) -> Number:
    ctypes.string_at(0)
    return request


def leave(request: Number, report: Report) -> Number:
    os._exit(request.number)


def spin(request: Number, report: Report) -> Number:
    report(Number(os.getpid()))
    while True:
        pass


def hold(request: Number, report: Report) -> Number:
    report(Number(os.getpid()))
    time.sleep(60)
    return request


def flood(request: Number, report: Report) -> Number:
    while True:
        os.write(2, bytes(65_536))
        report(request)


def run_out_in_rust(request: Number, report: Report) -> Number:
    os.write(2, b"memory allocation of 99999999999 bytes failed\n")
    os.abort()


def refuse(request: Text, report: Report) -> Text:
    raise NotFound(
        "No sheet 'x'.", errors=[FieldError("/sheet", "none", "missing")], n=1
    )


def throttle(request: Text, report: Report) -> Text:
    raise Throttled("Later.", retry_after_seconds=7)


def refuse_in_own_words(request: Text, report: Report) -> Text:
    raise HomeMade("Row 3 is odd.", row=3)


def crash(request: Text, report: Report) -> Text:
    raise ValueError(request.text)


def answer_nonsense(request: Text, report: Report) -> Text:
    return request


def break_the_protocol(request: Text, report: Report) -> Text:
    os.write(3, b"\xff\xff\xff\xff" + bytes(100))
    return Text()


def environment(request: Text, report: Report) -> Text:
    return Text(" ".join(f"{k}={v}" for k, v in os.environ.items()))


def descriptors(request: Text, report: Report) -> Text:
    open_ones = []
    for number in range(256):
        try:
            os.fstat(number)
        except OSError:
            continue
        open_ones.append(str(number))
    return Text(" ".join(open_ones))


def loaded(request: Text, report: Report) -> Text:
    return Text(" ".join(sys.modules))


def read_table(request: Text, report: Report) -> Table:
    import polars as pl

    frame = pl.scan_csv(request.text).with_columns(pl.col("x") * 2).collect()
    return Table({name: frame[name].to_list() for name in frame.columns})


def fit_forest(request: Number, report: Report) -> Number:
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    x = np.arange(200.0).reshape(100, 2)
    y = (x[:, 0] > 90).astype(int)
    forest = RandomForestClassifier(request.number, n_jobs=2, random_state=0)
    return Number(int(forest.fit(x, y).predict(x).sum()))


def score(request: Text, report: Report) -> Number:
    import onnxruntime

    session = onnxruntime.InferenceSession(request.text)
    return Number(len(session.get_inputs()))


def echo(request: Text, sock: socket.socket) -> None:
    while (data := receive_frame(sock)) is not None:
        if data == b"abort":
            os.abort()
        send_frame(sock, request.text.encode() + data)
