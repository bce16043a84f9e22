"""The error tree: every refusal that a person or a program may see.

An area raises its own subclass in its own words. The kind (the class below that
it derives from) decides the rest: `http/problems.py` maps it to a status, the CLI
to an exit code, the job runner to "retry or not". `slug` is public and never
changes; each one has an entry in docs/reference/problems.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request.

    Attributes:
        pointer: JSON pointer (RFC 6901) into the body, or `/query/NAME`,
            `/header/NAME` for the parts that are not the body.
        message: What is wrong, without repeating the value (it may be a secret).
        code: A short stable word for programs, such as `missing`.
    """

    pointer: str
    message: str
    code: str


class ForetellError(Exception):
    """Base of everything Foretell raises on purpose.

    Args:
        detail: One or two sentences for the caller: what happened, what to do.
            Never holds a path of the server, an SQL statement or a secret.
        errors: The single fields at fault, for validation problems.
        context: Public extra members of the problem document (JSON values).
    """

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, detail: str, *, errors: Sequence[FieldError] = (), **context: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.context: Mapping[str, Any] = context

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers that belong to this refusal."""
        return {}


class NotFound(ForetellError):
    slug = "not-found"
    title = "Not found"


class Gone(NotFound):
    """It existed and was deleted; asking again will not help."""

    slug = "gone"
    title = "No longer available"


class Conflict(ForetellError):
    slug = "conflict"
    title = "Conflict with the current state"


class PreconditionFailed(Conflict):
    """`If-Match` names another state than the current one."""

    slug = "precondition-failed"
    title = "Precondition failed"


class Invalid(ForetellError):
    slug = "invalid"
    title = "Invalid request"


class UnsupportedFormat(Invalid):
    """The bytes are of a kind that this route does not read."""

    slug = "unsupported-format"
    title = "Unsupported format"


class Unauthenticated(ForetellError):
    """No credential, or one that does not count.

    Args:
        error: RFC 6750 error code for `WWW-Authenticate`; empty when no
            credential was sent at all.
    """

    slug = "unauthenticated"
    title = "Authentication needed"

    def __init__(self, detail: str, *, error: str = "", **context: Any) -> None:
        super().__init__(detail, **context)
        self.error = error

    @property
    def headers(self) -> Mapping[str, str]:
        parts = ['Bearer realm="foretell"']
        if self.error:
            parts.append(f'error="{self.error}"')
        return {"WWW-Authenticate": ", ".join(parts)}


class Forbidden(ForetellError):
    slug = "forbidden"
    title = "Not allowed"


class TooLarge(ForetellError):
    slug = "too-large"
    title = "Too large"


class Throttled(ForetellError):
    """Too many tries; the caller may come back later."""

    slug = "too-many-requests"
    title = "Too many requests"

    def __init__(
        self, detail: str, *, retry_after_seconds: int, **context: Any
    ) -> None:
        super().__init__(detail, **context)
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class Unavailable(ForetellError):
    """A part the server needs does not answer: the only kind worth a retry."""

    slug = "unavailable"
    title = "Temporarily unavailable"

    def __init__(
        self, detail: str, *, retry_after_seconds: int = 1, **context: Any
    ) -> None:
        super().__init__(detail, **context)
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class OutOfSpace(ForetellError):
    """The disk or the caller's quota is full."""

    slug = "out-of-space"
    title = "Not enough storage"
