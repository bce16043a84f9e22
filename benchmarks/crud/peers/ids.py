"""Time-ordered ids (UUIDv7), as the tables hold them."""

import os
import time
import uuid


def new_id() -> str:
    value = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))
    value[6] = value[6] & 0x0F | 0x70
    value[8] = value[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(value)))
