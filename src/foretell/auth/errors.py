"""What auth refuses, in its own words."""

from foretell.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Throttled,
    Unauthenticated,
    Unavailable,
)


class CredentialInvalid(Unauthenticated):
    """A token, key or session that does not count (any more)."""

    slug = "credential-invalid"

    def __init__(self, detail: str = "The credential does not count.") -> None:
        super().__init__(detail, error="invalid_token")


class SignInFailed(Unauthenticated):
    """Wrong e-mail or password; never says which."""

    slug = "sign-in-failed"

    def __init__(self) -> None:
        super().__init__("The e-mail or the password is wrong.")


class TooManyFailures(Throttled):
    """Too many failed tries for one account or from one address."""

    slug = "too-many-failures"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many failed tries; try again in {retry_after_seconds} seconds.",
            retry_after_seconds=retry_after_seconds,
        )


class HashingBusy(Unavailable):
    """More sign-ins wait than the server can check soon."""

    slug = "sign-in-busy"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many sign-ins at once; try again.",
            retry_after_seconds=retry_after_seconds,
        )


class CsrfFailed(Forbidden):
    """A browser's request that its own page did not send."""

    slug = "csrf-failed"


class HttpsNeeded(Forbidden):
    """Sign-in by cookie over plain http on a production server."""

    slug = "https-needed"

    def __init__(self) -> None:
        super().__init__("Sign-in by cookie needs https in production.")


class EmailTaken(Conflict):
    """There is an account with this e-mail, in whatever case."""

    slug = "email-taken"

    def __init__(self) -> None:
        super().__init__("There is already an account with this e-mail.")


class EmailUnfit(Invalid):
    """The text is not an e-mail address."""

    slug = "email-invalid"

    def __init__(self, message: str) -> None:
        field = FieldError("/email", message, "email")
        super().__init__(message, errors=[field])


class PasswordUnfit(Invalid):
    """A new password is too short, too long or too common."""

    slug = "password-unfit"

    def __init__(self, message: str, code: str, pointer: str = "/password") -> None:
        super().__init__(message, errors=[FieldError(pointer, message, code)])


class CurrentPasswordWrong(Invalid):
    """A password change came without the right current password."""

    slug = "current-password-wrong"

    def __init__(self) -> None:
        message = "The current password is wrong."
        field = FieldError("/current_password", message, "wrong")
        super().__init__(message, errors=[field])


class UserNotFound(NotFound):
    slug = "user-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class UserChanged(PreconditionFailed):
    """The user is not in the state that `If-Match` names."""

    slug = "user-changed"

    def __init__(self) -> None:
        super().__init__("The user was changed since it was read; read it again.")


class LastAdmin(Conflict):
    """The change would leave the server without an admin."""

    slug = "last-admin"

    def __init__(self) -> None:
        super().__init__("This is the last admin; make another one first.")


class RoleTooWide(Forbidden):
    """Nobody gives a role that may do more than their own credential."""

    slug = "role-too-wide"

    def __init__(self, role: str) -> None:
        super().__init__(f"Your credential is too narrow to give the role {role}.")


class SignUpClosed(Forbidden):
    """A stranger's account is always a viewer's."""

    slug = "sign-up-role"

    def __init__(self) -> None:
        super().__init__("An account that you make for yourself is a viewer's.")


class KeyNotFound(NotFound):
    slug = "key-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such API key.")


class KeyTooWide(Forbidden):
    """A key may not do more, or live longer, than what made it."""

    slug = "key-too-wide"


class ScopeUnknown(Invalid):
    """A scope that no route knows."""

    slug = "scope-unknown"

    def __init__(self, scopes: list[str]) -> None:
        message = "Not a scope: " + ", ".join(scopes[:5])
        super().__init__(message, errors=[FieldError("/scopes", message, "unknown")])


class SessionNotFound(NotFound):
    slug = "session-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such session.")


class SignInNeeded(Forbidden):
    """An API key asked for what only its owner, signed in, may do."""

    slug = "sign-in-needed"

    def __init__(self) -> None:
        super().__init__("An API key cannot do this; sign in.")


class CodeInvalid(Invalid):
    """A reset token that is wrong, used or too old."""

    slug = "reset-token-invalid"

    def __init__(self) -> None:
        message = "The token is wrong, used or expired; ask for a new one."
        super().__init__(message, errors=[FieldError("/token", message, "invalid")])


class SetupCodeWrong(Forbidden):
    """Not the setup code that the server printed."""

    slug = "setup-code-wrong"

    def __init__(self) -> None:
        super().__init__(
            "The setup code is wrong or expired; `serve` prints a new one."
        )


class SetupDone(Conflict):
    """The first admin exists already."""

    slug = "setup-done"

    def __init__(self) -> None:
        super().__init__("This server has an admin already.")


class GrantRefused(Invalid):
    """An OAuth 2 refusal (RFC 6749 section 5.2).

    Attributes:
        error: The code of RFC 6749, such as `invalid_grant`.
    """

    slug = "grant-refused"

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
