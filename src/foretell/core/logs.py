"""Structured logs: events with fields, one line each, request or job id always."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SECRET_NAMES = re.compile(
    r"password|secret|token|authorization|api_key|dsn|cookie", re.IGNORECASE
)


def configure_logs(log_format: Literal["console", "json"]) -> None:
    """Send our events and the standard library's records to stderr, one format."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _clean,
    ]
    _configure(*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"


def ensure_logs() -> None:
    """Hand our events to the standard library unless somebody has configured them.

    In a host of somebody else's, and in tests, its handlers are not ours to change.
    What structlog does by itself there is worse than nothing: it prints each
    traceback with the values of all variables.
    """
    if not structlog.is_configured():
        plain = structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
        _configure(structlog.contextvars.merge_contextvars, _clean, plain)


def _configure(*processors: Any) -> None:
    structlog.configure(
        processors=list(processors),
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> Any:
    """A logger that takes an event name and fields."""
    return structlog.stdlib.get_logger(name)


def bind_to_lines(**fields: str) -> None:
    """Put fields on every line that this task and those it starts log from now on."""
    structlog.contextvars.bind_contextvars(**fields)


def _clean(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    # A line break or escape in a field would let a caller forge a log line.
    for key, value in event.items():
        if key not in ("exc_info", "_record") and _SECRET_NAMES.search(key):
            event[key] = "********"
        elif isinstance(value, str) and key != "exception":
            event[key] = _CONTROL.sub(lambda m: repr(m.group())[1:-1], value)
    return event
