"""What a caller says about a connection: parts, or a URL that is taken apart.

A URL is never kept: its password would be shown by whatever shows the URL, and its
parameters can name files of the server (`passfile`, `sslkey`, `service`). The few that
are understood become fields; all others are refused.
"""

from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from foretell.connections.errors import ConnectionInvalid
from foretell.connections.kinds import BUILT_IN, Kind, kind_of

_TLS_WORDS = {
    "": False,
    "disable": False,
    "false": False,
    "0": False,
    "require": True,
    "verify-ca": True,
    "verify-full": True,
    "verify_identity": True,
    "required": True,
    "true": True,
    "1": True,
}
_TLS_NAMES = ("sslmode", "ssl", "tls", "ssl-mode")


@dataclass(frozen=True, slots=True)
class Said:
    """A connection without its name: what may be shown, and the secret."""

    kind: str
    host: str = ""
    port: int = 0
    database: str = ""
    username: str = ""
    tls: bool = False
    tls_ca: str | None = None
    path: str | None = None
    password: SecretStr | None = field(default=None, repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """The fields that are stored in the clear."""
        found = asdict(self)
        del found["kind"], found["password"]
        return found

    def demand_sense(self) -> None:
        """Raise `ConnectionInvalid` unless the fields fit the kind."""
        faults = _faults(self, kind_of(self.kind))
        if faults:
            raise ConnectionInvalid(*faults)


def _faults(said: Said, kind: Kind) -> list[tuple[str, str]]:
    faults = []
    if kind.is_file:
        if not said.path:
            faults.append(("/path", "is needed"))
        for name in ("host", "port", "username", "password", "tls"):
            if getattr(said, name):
                faults.append((f"/{name}", f"is not for {said.kind}"))
        return faults
    if said.path:
        faults.append(("/path", f"is not for {said.kind}"))
    if not said.host:
        faults.append(("/host", "is needed"))
    elif said.host.startswith("/") or any(c in said.host for c in ",@/\\ ?#"):
        faults.append(("/host", "is one host name or IP address"))
    if not said.port:
        faults.append(("/port", "is needed"))
    if kind.needs_database and not said.database:
        faults.append(("/database", "is needed"))
    if kind.name == "redis" and said.database and not said.database.isdigit():
        faults.append(("/database", "is a number"))
    if said.tls_ca is not None:
        faults += _faults_of_ca(said)
    return faults


def _faults_of_ca(said: Said) -> list[tuple[str, str]]:
    if not said.tls:
        return [("/tls_ca", "needs tls")]
    if said.kind == "mongodb":
        return [("/tls_ca", "is not for mongodb, which uses the system's")]
    if "-----BEGIN CERTIFICATE-----" not in (said.tls_ca or ""):
        return [("/tls_ca", "is not a certificate in PEM")]
    return []


def from_url(url: str) -> Said:
    """Take a URL apart.

    Raises:
        ConnectionInvalid: It is malformed, or has parameters that are not understood.
    """
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        raise ConnectionInvalid(("/url", "is not a URL")) from None
    scheme = found.scheme.partition("+")[0].lower()
    kind = next((k for k in BUILT_IN.values() if scheme in k.schemes), None)
    if kind is None:
        raise ConnectionInvalid(("/url", "is of no kind that is known"))
    if kind.is_file:
        if found.query or found.fragment or found.netloc:
            raise ConnectionInvalid(("/url", "is sqlite:///FILE and no more"))
        return Said(kind.name, path=unquote(found.path.removeprefix("/")))
    return Said(
        kind.name,
        host=found.hostname or "",
        port=port or kind.port or 0,
        database=unquote(found.path.strip("/")),
        username=unquote(found.username or ""),
        tls=_tls_of(found.query) or scheme == "rediss",
        password=None if found.password is None else SecretStr(unquote(found.password)),
    )


def _tls_of(query: str) -> bool:
    tls = False
    for name, value in parse_qsl(query, keep_blank_values=True):
        lowered = value.lower()
        if name.lower() in _TLS_NAMES and lowered in _TLS_WORDS:
            tls = _TLS_WORDS[lowered]
        elif name.lower() != "charset":
            raise ConnectionInvalid(("/url", "has a parameter that is not understood"))
    return tls
