"""A process that has imported what children need and forks one on demand.

Started as `python -m foretell.sandbox.zygote CONTROL`: a fresh interpreter,
so that no secret, socket or lock of the server is in its memory. It imports and
never computes, because a child forked after a thread pool has run hangs in that
pool. A fork takes milliseconds where imports take seconds.

It answers on one socket (`messages.ToZygote`, `messages.FromZygote`), and ends when
the parent ends, by signal and by the end of that socket; its children end with it.
"""

import contextlib
import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import sys
import threading
from typing import NoReturn

import msgspec

from foretell.sandbox import child, lifeline
from foretell.sandbox.messages import (
    Broken,
    Exited,
    Fork,
    Forked,
    FromZygote,
    NotForked,
    Preload,
    Ready,
    ToZygote,
    encode,
)

_MESSAGE_BYTES = 1 << 16
_DESCRIPTORS = 3  # channel, error output, served socket
_CHANNEL_AT = 3
_SERVED_AT = 4


class Zygote:
    """The forking loop.

    Args:
        control: Sequenced-packet socket to the parent.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: dict[int, tuple[int, int]] = {}  # pidfd: (ticket, pid)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def run(self) -> None:
        """Import, then fork on demand until the parent closes the socket."""
        data, _ = self._receive()
        if data is None:
            return
        order = msgspec.msgpack.decode(data, type=ToZygote)
        if not isinstance(order, Preload) or not self._import(order.modules):
            return
        try:
            self._serve()
        finally:
            self._end_all()

    def _serve(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._control.fileno():
                    self._reap(descriptor)
                elif not self._answer():
                    return

    def _end_all(self) -> None:
        """Reap here: in a container, orphans would fall to the server."""
        for _, pid in self._running.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _import(self, modules: list[str]) -> bool:
        for module in modules:
            try:
                importlib.import_module(module)
            except Exception as error:
                self._tell(Broken(module, f"{type(error).__name__}: {error}"))
                return False
        gc.collect()
        gc.freeze()  # collections in children leave these pages shared
        self._tell(Ready(_count_threads()))
        return True

    def _answer(self) -> bool:
        data, descriptors = self._receive()
        if data is None:
            return False
        order = msgspec.msgpack.decode(data, type=ToZygote)
        if isinstance(order, Fork):
            self._fork(order.ticket, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _fork(self, ticket: int, descriptors: list[int]) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(NotForked(ticket, error.strerror or "fork failed"))
            return
        if pid == 0:
            _become_child(parent, descriptors)
        pidfd = os.pidfd_open(pid)
        self._running[pidfd] = (ticket, pid)
        self._poll.register(pidfd, select.POLLIN)
        self._tell(Forked(ticket, pid), pidfd)

    def _reap(self, pidfd: int) -> None:
        ticket, pid = self._running.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        self._tell(Exited(ticket, os.waitstatus_to_exitcode(status)))

    def _receive(self) -> tuple[bytes | None, list[int]]:
        data, descriptors, _, _ = socket.recv_fds(
            self._control, _MESSAGE_BYTES, _DESCRIPTORS
        )
        return data or None, descriptors

    def _tell(self, message: FromZygote, *descriptors: int) -> None:
        socket.send_fds(self._control, [encode(message)], descriptors)


def _become_child(parent: int, descriptors: list[int]) -> NoReturn:
    """Keep only the given descriptors, at fixed numbers, and live as a child."""
    try:
        lifeline.die_with(parent)
        channel, errors, *served = descriptors
        # Lift all above the fixed numbers first: they may stand on them now.
        above = 1 + max(_SERVED_AT, *descriptors)
        lifted = [
            fcntl.fcntl(number, fcntl.F_DUPFD, above)
            for number in (channel, errors, *served)
        ]
        os.dup2(lifted[1], 1)
        os.dup2(lifted[1], 2)
        os.dup2(lifted[0], _CHANNEL_AT)
        if served:
            os.dup2(lifted[2], _SERVED_AT)
        _close_from(_SERVED_AT + bool(served))
        sys.dont_write_bytecode = True
        _reseed()
        child.live(
            socket.socket(fileno=_CHANNEL_AT),
            socket.socket(fileno=_SERVED_AT) if served else None,
        )
    finally:
        os._exit(1)


def _close_from(first: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= first:
            with contextlib.suppress(OSError):  # the listing's own descriptor
                os.close(int(name))


def _reseed() -> None:
    """Give numpy's old global generator a state of its own in each child."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _count_threads() -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return threading.active_count()


def main(control: int) -> None:
    """Run the zygote on an inherited socket."""
    for number in lifeline.IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    lifeline.die_with(os.getppid())
    with contextlib.suppress(ConnectionError):  # the parent is gone
        Zygote(socket.socket(fileno=control)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
