"""Files that no server should trust, by the row that sends them."""

import os
import pickle
from collections.abc import Callable
from typing import Any

TRACE = "pwned.txt"


class Hostile:
    def __reduce__(self) -> Any:
        return os.system, (f"touch {TRACE}",)


def notebook_class() -> bytes:
    """What pickle writes for an instance of a class `Clip` typed into a notebook."""
    return b"\x80\x04\x8c\x08__main__\x8c\x04Clip\x93)\x81."


WRONG_FILES: dict[str, Callable[[], bytes]] = {
    "D4": notebook_class,
    "D5": lambda: b"\x08\x0a\x12\x08skl2onnx",
    "D6": lambda: pickle.dumps([Hostile()]),
}
