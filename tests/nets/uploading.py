"""Sends a net to a served application."""

import json
from typing import Any

import httpx2

from .editing import real


def upload(
    client: httpx2.Client,
    name: str,
    filename: str,
    content: bytes | None = None,
    **metadata: Any,
) -> httpx2.Response:
    return client.post(
        f"/api/models/{name}/versions",
        files={"artifact": (filename, content or real(filename))},
        data={"metadata": json.dumps(metadata)},
        headers={"Prefer": "wait=55"},
    )
