"""What the API process and a reader of heavy questions say to one another."""

import msgspec

from foretell.sandbox.messages import Crash, Refusal

CHUNK_BYTES = 8 << 20


class ReaderRequest(msgspec.Struct, frozen=True):
    """What a reader is started for.

    Attributes:
        engine: Name of the table engine, as its plug-in is registered.
    """

    engine: str


class Answer(msgspec.Struct, frozen=True):
    """The head of an answer; the packed value follows in frames.

    Attributes:
        size: Bytes that follow.
        refused: Why there is no value, as the engine says it.
        crashed: The same, where nobody expected it.
    """

    size: int = 0
    refused: Refusal | None = None
    crashed: Crash | None = None
