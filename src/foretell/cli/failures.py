"""Errors as a person at a terminal reads them: what happened, what to do next."""

import sys

from foretell.errors import ForetellError

# What helps after a refusal that does not say so itself.
_NEXT_STEPS = {
    "unauthenticated": "Make a key: foretell key create --save",
    "scope-missing": "Use a key with that scope: foretell key create --scope …",
    "unavailable": "See what is wrong: foretell doctor",
}
_USAGE = frozenset({"settings-invalid", "driver-missing"})


def report(error: ForetellError) -> int:
    """Print an error to stderr and give the exit code."""
    for line in error.detail.splitlines():
        print(line, file=sys.stderr)
    for field in error.errors:
        print(f"  {field.pointer or '/'}: {field.message}", file=sys.stderr)
    if hint := _NEXT_STEPS.get(error.slug):
        print(hint, file=sys.stderr)
    request_id = error.context.get("request_id")
    if request_id and error.context.get("status", 0) >= 500:
        print(f"The server's log has it as request {request_id}.", file=sys.stderr)
    return 2 if error.slug in _USAGE else 1
