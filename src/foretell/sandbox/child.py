"""The life of one child: import, close the doors, run one function, report, end.

Also started as `python -m foretell.sandbox.child CHANNEL [SERVED]` where forking
from a zygote is not possible.
"""

import contextlib
import importlib
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from foretell.errors import ForetellError
from foretell.sandbox import lifeline
from foretell.sandbox.confinement import confine
from foretell.sandbox.frames import receive_frame, send_frame
from foretell.sandbox.messages import Confined, Message, Order, Progress, Result, encode
from foretell.sandbox.refusals import crash, refusal

Report = Callable[[msgspec.Struct], None]
"""What a child calls to tell how far it is; safe from any of its threads."""

_INVALID_ORDER = 3


def live(channel: socket.socket, served: socket.socket | None) -> NoReturn:
    """Serve one order that arrives on the channel, then end this process.

    Args:
        channel: Frames to and from the parent.
        served: Given to a long-lived function in place of `report`.
    """
    code = 0
    try:
        data = receive_frame(channel)
        if data is not None:
            _obey(msgspec.msgpack.decode(data, type=Order), channel, served)
    except (OSError, EOFError):  # the parent is gone, nobody listens
        code = _INVALID_ORDER
    except BaseException:
        traceback.print_exc()
        code = _INVALID_ORDER
    finally:
        _flush()
        os._exit(code)


def _obey(order: Order, channel: socket.socket, served: socket.socket | None) -> None:
    lock = threading.Lock()

    def tell(message: Message) -> None:
        data = encode(message)
        with lock:
            send_frame(channel, data)

    # Before anything can fail: a parent that still writes to a child that has ended
    # loses what the child had told.
    data = receive_frame(channel)
    if data is None:
        return
    try:
        function = resolve(order.function)
        request_type = resolve(order.request_type)
        tell(Confined(confine(order.confinement)))
        request = msgspec.msgpack.decode(data, type=request_type)
        if served is not None:
            answer = function(request, served)
        else:
            answer = function(request, _reporter(tell))
        value = msgspec.Raw(encode(answer if served is None else None))
    except ForetellError as error:
        _flush()
        tell(refusal(error))
    except BaseException as error:
        # A panic of a Rust library is no Exception.
        _flush()
        tell(crash(error))
    else:
        _flush()
        tell(Result(value))


def resolve(dotted: str) -> Any:
    """Import `package.module:name` and return what the name stands for."""
    module_name, _, name = dotted.partition(":")
    found: Any = importlib.import_module(module_name)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _reporter(tell: Callable[[Message], None]) -> Report:
    def report(progress: msgspec.Struct) -> None:
        tell(Progress(msgspec.Raw(encode(progress))))

    return report


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def main(channel: int, served: int | None) -> NoReturn:
    """Run as a process of its own, started by the parent itself."""
    for number in lifeline.IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    lifeline.die_with(os.getppid())
    sys.dont_write_bytecode = True
    live(
        socket.socket(fileno=channel),
        None if served is None else socket.socket(fileno=served),
    )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(numbers[0], numbers[1] if len(numbers) > 1 else None)
