"""What the gate says about one file, in values that travel between processes."""

from typing import Literal

import msgspec

Outcome = Literal["safe", "gated", "unknown", "hostile"]


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that speaks against a file.

    Attributes:
        code: A short stable word for programs, such as `unknown_class`.
        message: A sentence for the person who uploaded the file.
        name: The dotted name at fault, where there is one.
        position: Byte offset of the opcode in the (decompressed) stream.
        opcode: The opcode's name, such as `REDUCE`.
    """

    code: str
    message: str
    name: str | None = None
    position: int | None = None
    opcode: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The gate's answer.

    Attributes:
        outcome: `safe`: the format holds data only. `gated`: a pickle that does
            nothing but build known classes from data. `unknown`: it holds classes
            that are not on the list; an administrator may trust it. `hostile`: it
            would run something, or it is not well-formed; nobody may load it.
        format: What the bytes are: `pickle`, `joblib`, `onnx`.
        compression: How they were packed: `zlib`, `gzip`, `bz2`, `lzma`, `xz`,
            `lz4`, or None.
        globals: Every dotted name the file asks for, sorted.
        reasons: Why it is not `safe` or `gated`; empty otherwise.
        libraries: Versions the file says it was written with.
        bytes: Size of the stream that was read, after decompression.
    """

    outcome: Outcome
    format: str
    compression: str | None = None
    globals: list[str] = []
    reasons: list[Reason] = []
    libraries: dict[str, str] = {}
    bytes: int = 0

    @property
    def is_admitted(self) -> bool:
        """True when the file may be loaded without anybody's leave."""
        return self.outcome in ("safe", "gated")
