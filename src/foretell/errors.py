"""The error tree: every refusal that a person or a program may see.

An area raises its own subclass in its own words. The kind (the class below that
it derives from) decides the rest: its status over HTTP, the exit code of the
command line, whether the job runner tries again. `slug` is public and never
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
    status: ClassVar[int] = 500

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
    status = 404


class Gone(NotFound):
    """It existed and was deleted; asking again will not help."""

    slug = "gone"
    title = "No longer available"
    status = 410


class Conflict(ForetellError):
    slug = "conflict"
    title = "Conflict with the current state"
    status = 409


class PreconditionFailed(Conflict):
    """`If-Match` names another state than the current one."""

    slug = "precondition-failed"
    title = "Precondition failed"
    status = 412


class Invalid(ForetellError):
    slug = "invalid"
    title = "Invalid request"
    status = 422


class UnsupportedFormat(Invalid):
    """The bytes are of a kind that this route does not read."""

    slug = "unsupported-format"
    title = "Unsupported format"
    status = 415


class Unauthenticated(ForetellError):
    """No credential, or one that does not count.

    Args:
        error: RFC 6750 error code for `WWW-Authenticate`; empty when no
            credential was sent at all.
    """

    slug = "unauthenticated"
    title = "Authentication needed"
    status = 401

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
    status = 403


class TooLarge(ForetellError):
    slug = "too-large"
    title = "Too large"
    status = 413


class Throttled(ForetellError):
    """Too many tries; the caller may come back later."""

    slug = "too-many-requests"
    title = "Too many requests"
    status = 429

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
    status = 503

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
    status = 507


KINDS: tuple[type[ForetellError], ...] = (
    NotFound,
    Gone,
    Conflict,
    PreconditionFailed,
    Invalid,
    UnsupportedFormat,
    Unauthenticated,
    Forbidden,
    TooLarge,
    Throttled,
    Unavailable,
    OutOfSpace,
)
"""The kinds; each has a status of its own."""

PROBLEM_TYPE_PREFIX = "https://docs.foretell.example/problems/"


def problem_members(error: ForetellError) -> dict[str, Any]:
    """The members of the RFC 9457 problem document that tell of `error`, but for
    those of one request (`instance`, `request_id`)."""
    members: dict[str, Any] = {
        "type": PROBLEM_TYPE_PREFIX + error.slug,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    if error.errors:
        members["errors"] = [
            {"pointer": e.pointer, "message": e.message, "code": e.code}
            for e in error.errors
        ]
    return {**error.context, **members}
