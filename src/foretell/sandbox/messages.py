"""What parent, zygote and child say to one another (msgpack, one type each)."""

from typing import Any

import msgspec

from foretell.sandbox.level import SandboxLevel


class Confinement(msgspec.Struct, frozen=True):
    """What one child may do.

    Attributes:
        read: Files and folders that may be read.
        write: Files and folders that may be changed; the first folder becomes the
            working and temporary folder.
        memory_bytes: What the parent watches; here it only widens the net.
        is_tight: Let `memory_bytes` bind at once, for every single allocation: a
            child that maps more beyond what it starts with is refused the memory.
        cpu_seconds: Processor time of all threads together, None without limit.
        file_bytes: Largest file it may write, None without limit.
        niceness: How far it stands back for others, 0 to 19.
        require: Refuse to run unless every part of the sandbox holds.
    """

    read: list[str]
    write: list[str]
    memory_bytes: int
    is_tight: bool = False
    cpu_seconds: int | None = None
    file_bytes: int | None = None
    niceness: int = 0
    require: bool = False


class Order(msgspec.Struct, frozen=True):
    """Parent to child, first frame: what to run and within what.

    Attributes:
        function: `package.module:function`.
        request_type: `package.module:Class` of the request, the second frame.
    """

    function: str
    request_type: str
    confinement: Confinement


class Confined(msgspec.Struct, frozen=True, tag="confined"):
    """Child to parent: the doors are closed, the function starts."""

    level: SandboxLevel


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    value: msgspec.Raw


class Result(msgspec.Struct, frozen=True, tag="result"):
    value: msgspec.Raw


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """A ForetellError, taken apart."""

    error_class: str
    slug: str
    detail: str
    errors: list[tuple[str, str, str]]
    context: dict[str, Any]
    attributes: dict[str, Any]


class Crash(msgspec.Struct, frozen=True, tag="crash"):
    """Any other exception; the traceback is for the server's log only."""

    error_type: str
    message: str
    traceback: str


Message = Confined | Progress | Result | Refusal | Crash


class Preload(msgspec.Struct, frozen=True, tag="preload"):
    """Parent to zygote, once: import these modules."""

    modules: list[str]


class Fork(msgspec.Struct, frozen=True, tag="fork"):
    """Parent to zygote, with the descriptors of the child."""

    ticket: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Zygote to parent: everything is imported."""

    threads: int


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """Zygote to parent: a module cannot be imported."""

    module: str
    error: str


class Forked(msgspec.Struct, frozen=True, tag="forked"):
    """Zygote to parent, with a pidfd of the child."""

    ticket: int
    pid: int


class NotForked(msgspec.Struct, frozen=True, tag="not-forked"):
    ticket: int
    error: str


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """Zygote to parent; `returncode` is negative for a signal."""

    ticket: int
    returncode: int


ToZygote = Preload | Fork
FromZygote = Ready | Broken | Forked | NotForked | Exited

encode = msgspec.msgpack.encode
