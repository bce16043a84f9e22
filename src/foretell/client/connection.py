"""What the two clients share below the operations: options, reading, retries."""

import json
from importlib.metadata import version
from typing import Any, TypeVar

import httpx2

from foretell.client.calls import Call
from foretell.client.credentials import Target
from foretell.client.operations import Listen
from foretell.client.problems import error_of_response
from foretell.client.shapes import JobEvent

T = TypeVar("T")

# `Prefer: wait` holds an answer for up to a minute.
_TIMEOUT = httpx2.Timeout(70.0, connect=5.0, pool=5.0)


def options_for(target: Target) -> dict[str, Any]:
    """Options of an httpx2 client that talks to `target`."""
    return {
        "base_url": target.url,
        "timeout": _TIMEOUT,
        "headers": {
            "Authorization": f"Bearer {target.api_key}",
            "User-Agent": f"foretell/{version('foretell')}",
        },
        # A proxy of the environment must not see a key that is for loopback.
        "trust_env": "//127." not in target.url and "//localhost" not in target.url,
    }


def stream_options(step: Listen) -> dict[str, Any]:
    """Options of the request that opens a stream of events."""
    headers = {"Accept": "text/event-stream"}
    if step.last_id is not None:
        headers["Last-Event-ID"] = step.last_id
    timeout = httpx2.Timeout(step.quiet_seconds, connect=5.0)
    return {"headers": headers, "timeout": timeout}


def result_of(call: Call[T], response: httpx2.Response) -> T:
    """What a call gives.

    Raises:
        ForetellError: What the server refused with.
    """
    if not response.is_success:
        raise error_of_response(response)
    return call.read(response)


def event_of(event: httpx2.ServerSentEvent) -> JobEvent:
    """A server-sent event as a job event; data that is not JSON stays text."""
    try:
        data = json.loads(event.data)
    except ValueError:
        data = event.data
    return JobEvent(kind=event.event, data=data)


def reason_of(error: httpx2.TransportError) -> str:
    """A few words on why a connection failed."""
    return type(error).__name__.removesuffix("Error") or "connection failed"
