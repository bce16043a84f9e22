"""What can be wrong with a connection, in the words of connections."""

from typing import Any

from foretell.errors import (
    Conflict,
    FieldError,
    ForetellError,
    Invalid,
    NotFound,
    Unavailable,
)


class ConnectionNotFound(NotFound):
    """No connection of that name that the caller may see."""

    slug = "connection-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no connection {name!r}.", connection=name)


class ConnectionNameTaken(Conflict):
    """Somebody else has a connection of that name."""

    slug = "connection-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name!r} is taken.", connection=name)


class ConnectionInvalid(Invalid):
    """The fields of a connection do not fit its kind, or each other."""

    slug = "connection-invalid"

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(
            "The connection cannot be stored: "
            + "; ".join(f"{where[1:]} {what}" for where, what in faults)
            + ".",
            errors=[FieldError(where, what, "invalid") for where, what in faults],
        )


class AddressForbidden(Invalid):
    """The server does not connect there: the address is not a public one."""

    slug = "connection-address-forbidden"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"This server does not connect to {host!r}, port {port}. An admin allows "
            f"it by the setting FORETELL_CONNECTION_ALLOW, such as "
            "`127.0.0.1:5432` or `10.0.0.0/8`.",
            errors=[FieldError("/host", "is not allowed", "address_forbidden")],
        )


class FileForbidden(Invalid):
    """A SQLite file outside of the folder for such files."""

    slug = "connection-file-forbidden"

    def __init__(self) -> None:
        super().__init__(
            "SQLite files are opened only in the folder FORETELL_CONNECTION_FILES "
            "(`databases` in the data directory); name one relative to it.",
            errors=[FieldError("/path", "is not in the folder", "file_forbidden")],
        )


class SecretLost(Conflict):
    """The stored secret was sealed with a server secret that is not set any more."""

    slug = "connection-secret-lost"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The secret of connection {name!r} was sealed with another SECRET_KEY. "
            "Put the connection again with its password, or set SECRET_KEY_OLD.",
            connection=name,
        )


class ConnectionUnreachable(Unavailable):
    """The other database does not answer, or not in time."""

    slug = "connection-unreachable"

    def __init__(self, code: str = "unreachable") -> None:
        words = {
            "tls": "does not offer TLS with a certificate that counts",
            "timeout": "did not answer in time",
        }
        said = words.get(code, "cannot be reached")
        super().__init__(f"The outside database {said}.", code=code)
        self.code = code


class ConnectionRejected(Invalid):
    """The other database refuses the credentials, or the database's name."""

    slug = "connection-rejected"

    def __init__(self, code: str = "auth") -> None:
        words = {"database": "has no database of that name for this user"}
        said = words.get(code, "refuses the user name or password")
        super().__init__(f"The outside database {said}.", code=code)
        self.code = code


class SourceNotFound(NotFound):
    """The other database has no such table, collection or column."""

    slug = "source-not-found"

    def __init__(self, what: str, name: str) -> None:
        context: dict[str, Any] = {what: name}
        super().__init__(f"The outside database has no {what} {name!r}.", **context)


class SourceFailed(Invalid):
    """The other database refuses the query, or stopped it."""

    slug = "source-failed"


class QueryNotReadOnly(Invalid):
    """A query is one SELECT that changes nothing."""

    slug = "query-not-read-only"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The query is not one read-only SELECT: {why}.",
            errors=[FieldError("/source/query", why, "not_read_only")],
        )


class SinkFailed(Invalid):
    """The other database does not take the rows."""

    slug = "sink-failed"


def code_of(error: ForetellError) -> str:
    """The short word for what is wrong with a connection, for `test`."""
    return str(error.context.get("code") or error.slug.replace("-", "_"))
