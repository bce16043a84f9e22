"""What every request is held to, at the connection and at the edge alike."""

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 * 1024
MAX_PATH_BYTES = 8 * 1024

SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
"""Of every answer."""
