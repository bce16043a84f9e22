"""Request and response bodies of connections."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field, SecretStr, StringConstraints

from foretell.connections.addressing import Said, from_url
from foretell.connections.errors import ConnectionInvalid
from foretell.connections.kinds import kind_of
from foretell.connections.tables import Connection
from foretell.http.schemas import Body, Name, Reading, Storable

Word = Annotated[Storable, StringConstraints(max_length=255)]
Secret = Annotated[SecretStr, Field(max_length=4096)]


class ConnectionWrite(Body):
    """Where the database is and how to get in: by parts, or by `url` alone.

    The password is kept when it is left out and kind, host, port and user are the same.
    """

    model_config = ConfigDict(populate_by_name=True)

    kind: Annotated[Word, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")] | None = (
        Field(None, description="postgresql, mysql, sqlite, mongodb or redis.")
    )
    url: Secret | None = Field(
        None, description="Such as postgresql://user:password@host:5432/database."
    )
    host: Word | None = None
    port: int | None = Field(None, strict=True, ge=1, le=65535)
    database: Word | None = Field(None, description="For redis a number.")
    username: Word | None = Field(
        None, validation_alias=AliasChoices("username", "user")
    )
    password: Secret | None = Field(None, description="Never comes back out.")
    tls: bool | None = Field(
        None, strict=True, description="Encrypt, and check the certificate."
    )
    tls_ca: Annotated[Storable, StringConstraints(max_length=100_000)] | None = Field(
        None, description="PEM certificates to trust instead of the system's."
    )
    path: Word | None = Field(
        None, description="Of a SQLite file, in the folder for such files."
    )

    def said(self) -> Said:
        """The connection in the words of the area.

        Raises:
            ConnectionInvalid: Fields are missing, or contradict each other.
        """
        parts = {name: value for name, value in self._parts() if value is not None}
        if self.url is not None:
            if parts.keys() - {"tls", "tls_ca", "password"}:
                raise ConnectionInvalid(("/url", "stands in the place of the parts"))
            found = from_url(self.url.get_secret_value())
            if self.kind not in (None, found.kind):
                raise ConnectionInvalid(("/kind", "is not that of the url"))
            return _with(found, parts)
        if self.kind is None:
            raise ConnectionInvalid(("/kind", "is needed"))
        parts.setdefault("port", kind_of(self.kind).port or 0)
        return Said(self.kind, **parts)

    def _parts(self) -> list[tuple[str, Any]]:
        names = ("host", "port", "database", "username", "password", "tls", "tls_ca")
        return [(name, getattr(self, name)) for name in (*names, "path")]


def _with(said: Said, parts: dict[str, Any]) -> Said:
    values = {name: getattr(said, name) for name in Said.__dataclass_fields__}
    return Said(**{**values, **parts})


class ConnectionChange(Body):
    """Who may see and use a connection."""

    visibility: Literal["private", "everyone"] | None = None
    readers: list[str] | None = Field(
        None, max_length=1000, description="Users (id or e-mail) who may use it."
    )
    writers: list[str] | None = Field(
        None, max_length=1000, description="Users (id or e-mail) who may change it."
    )

    def given(self) -> dict[str, Any]:
        """The fields that were sent with a value."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class ConnectionRead(Reading):
    """A connection without its secret."""

    name: str
    kind: str
    host: str | None
    port: int | None
    database: str | None
    username: str | None
    tls: bool
    path: str | None
    has_password: bool
    owner_id: str
    visibility: Literal["private", "everyone"]
    readers: list[str]
    writers: list[str]
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, row: Connection) -> "ConnectionRead":
        shown = row.settings
        return cls(
            name=row.name,
            kind=row.kind,
            host=shown.get("host") or None,
            port=shown.get("port") or None,
            database=shown.get("database") or None,
            username=shown.get("username") or None,
            tls=bool(shown.get("tls")),
            path=shown.get("path"),
            has_password=row.sealed is not None,
            owner_id=row.owner_id,
            visibility="everyone" if row.visibility == "everyone" else "private",
            readers=row.readers,
            writers=row.writers,
            created_at=row.created_at,
            changed_at=row.changed_at,
        )


class ConnectionTest(Reading):
    """Whether the database answers; if not, a short word for why.

    `code`: unreachable, timeout, tls, auth, database, connection_address_forbidden, …
    """

    ok: bool
    code: str | None = None
    detail: str | None = None
    elapsed_ms: float


class TableName(Reading):
    name: str


class SourceWrite(Body):
    """What to read of a connection: exactly one of table, query and collection."""

    connection: Name
    table: Annotated[Storable, StringConstraints(min_length=1, max_length=255)] | (
        None
    ) = None
    query: Annotated[Storable, StringConstraints(min_length=1, max_length=20_000)] | (
        None
    ) = Field(None, description="One read-only SELECT.")
    collection: (
        Annotated[Storable, StringConstraints(min_length=1, max_length=255)] | None
    ) = None
    incremental: (
        Annotated[Storable, StringConstraints(min_length=1, max_length=255)] | None
    ) = Field(
        None,
        description="A column that only grows; with mode=append only rows above the "
        "largest value of the last import are read.",
    )
