"""One flat, typed `Settings`, read once from the environment and two files.

Order, first wins: arguments of `load_settings`, `FORETELL_*` variables,
`FORETELL_*_FILE` (the value is the content of a file, for secrets), `.env`,
`foretell.toml`. A name nobody knows is an error with the nearest known one,
because a misspelt setting that is silently ignored is how servers end up open.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    ByteSize,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from foretell.errors import ForetellError

PREFIX = "FORETELL_"
# Read by the command line and the client, not by the server.
CLIENT_NAMES = frozenset({"FORETELL_URL", "FORETELL_API_KEY"})
MIN_SECRET_BYTES = 32
# Named in the documents and not built yet. Each is refused at start, because a limit
# or a verifier that is silently absent is worse than none.
NOT_BUILT = frozenset({"legacy_jwt_secret"})

# Seconds of the units that RATE_LIMIT may name.
RATE_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
# Requests a second, beyond which counting each of them says nothing.
MAX_RATE = 100_000

# Executors that come with Foretell and need a broker.
BROKERED = frozenset({"celery", "rq", "dramatiq"})

_URL_PASSWORD = re.compile(r"(?<=://)([^:/@]*):([^@]*)@")
_URL_QUERY = re.compile(r"\?.*$")


class SettingsError(ForetellError):
    """A setting is wrong; the message has one line for each, naming the variable."""

    slug = "settings-invalid"
    title = "Invalid settings"


class _FileSource(PydanticBaseSettingsSource):
    """Values that stand in files: `FORETELL_SECRET_KEY_FILE=/run/secrets/key`."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        name = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(name)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text("utf-8").strip(), field_name, False
        except OSError as error:
            raise SettingsError(f"{name}: {error.strerror or 'unreadable'}") from error

    def __call__(self) -> dict[str, Any]:
        values = {n: self.get_field_value(f, n)[0] for n, f in self.fields.items()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.settings_cls.model_fields


Names = Annotated[list[str], NoDecode]


class Settings(BaseSettings):
    """Everything that can be set. Each default works for one laptop."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        toml_file="foretell.toml",
        extra="ignore",
        validate_default=True,
        frozen=True,
    )

    data_dir: Path = Field(
        Path("foretell-data"), description="Folder of the database, files and secrets."
    )
    database_url: SecretStr | None = Field(
        None, description="Own database; SQLite in DATA_DIR when not set."
    )
    database_pool_size: int = Field(
        5,
        ge=1,
        le=500,
        description="Connections of one server process for reading, and as many "
        "for writing (SQLite: one).",
    )
    database_pool_timeout: float = Field(
        5.0, gt=0, le=60, description="Seconds to wait for one before answering 503."
    )
    fast_path: bool = Field(
        True,
        description="Answer usual requests for resources in front of FastAPI, on "
        "PostgreSQL straight from the driver; off behind a pooler of transactions "
        "that knows no prepared statements.",
    )
    slow_query_ms: int = Field(
        500, ge=0, description="Log statements that take longer; 0 logs none."
    )
    storage_url: str | None = Field(
        None, description="Where files are kept; DATA_DIR when not set."
    )
    executor: str = Field(
        "embedded",
        description="What brings job ids to workers: embedded (nothing has to), "
        "celery, rq, dramatiq, or one of an extension's.",
    )
    broker_url: SecretStr | None = Field(
        None, description="Broker of the executor; REDIS_URL when not set."
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Optional: what API processes share beside the database. Limits, "
        "withdrawals, figures of datasets.",
    )
    cache_bytes: ByteSize = Field(
        ByteSize(64 * 1024**2),
        description="Memory of one API process for computed figures of datasets; 0 "
        "computes each anew.",
    )
    secret_key: SecretStr | None = Field(
        None, description="At least 32 bytes; made and kept in DATA_DIR when not set."
    )
    secret_key_old: SecretStr | None = Field(
        None,
        description="The SECRET_KEY before, until `connections.reseal` has run.",
    )
    connection_allow: Names = Field(
        [],
        description="Addresses that connections may go to though they are not public: "
        "`127.0.0.1:5432`, `10.0.0.0/8`, `db.internal:3306`.",
    )
    connection_files: Path | None = Field(
        None, description="Folder of SQLite files; `databases` in DATA_DIR if not set."
    )
    connection_timeout: float = Field(
        3600.0,
        gt=0,
        le=86_400,
        description="Longest run, in seconds, of a statement in an outside database.",
    )
    cors_origins: Names = Field([], description="Origins of browser front ends.")
    signup: Literal["closed", "open"] = Field(
        "closed", description="Whether strangers may make an account."
    )
    password_min: int = Field(
        8, ge=8, le=128, description="Shortest password; 15 is recommended."
    )
    default_model: str | None = Field(
        None, description="Model of POST /api/predict when the body names none."
    )
    legacy_jwt_secret: SecretStr | None = Field(
        None, description="Accept HS256 tokens made elsewhere with this secret."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    env: Literal["development", "production"] = Field(
        "development", description="production refuses unsafe settings."
    )
    public_url: str | None = Field(
        None, description="Address people use; in links and as token issuer."
    )
    allowed_hosts: Names = Field(
        [], description="Host names answered; loopback and HOST when empty."
    )
    trusted_proxies: Names = Field(
        [], description="Addresses whose X-Forwarded-* headers count."
    )
    extensions: Names = Field([], description="Installed extensions to switch on.")
    app: str | None = Field(
        None, description="Application to serve, module:name; ours when not set."
    )
    worker_memory: ByteSize = Field(
        ByteSize(2 * 1024**3), description="Most memory of one import or model child."
    )
    reader_memory: ByteSize = Field(
        ByteSize(1024**3),
        description="Most memory of one question that looks at every row.",
    )
    reader_timeout: float = Field(
        120.0, gt=0, le=3600, description="Longest run, in seconds, of such a question."
    )
    worker_concurrency: int = Field(
        1, ge=1, le=64, description="Worker processes that `serve` starts."
    )
    job_retention_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="Days for which jobs that ended are kept; 0 keeps them for ever.",
    )
    rate_limit: str | None = Field(
        None,
        description="Requests of one caller, such as 100/second; per minute, hour and "
        "day too.",
    )
    sandbox: Literal["best", "require"] = Field(
        "best", description="require refuses to start without every sandbox part."
    )
    max_upload_bytes: ByteSize = Field(
        ByteSize(5 * 1024**3), description="Largest upload."
    )
    user_quota_bytes: ByteSize | None = Field(
        None,
        ge=1024**2,
        description="Most bytes that the files of one user's datasets and models take.",
    )
    pickle: Literal["gate", "forbid"] = Field(
        "gate", description="forbid refuses pickled models altogether."
    )
    pickle_allow: Names = Field(
        [], description="Packages whose classes a pickled model may hold."
    )
    smtp_url: SecretStr | None = Field(
        None, description="Mail server; mails go to DATA_DIR/outbox when not set."
    )
    mail_from: str = Field("foretell@localhost", description="Sender of mails.")
    log_format: Literal["console", "json"] = Field("console", description="Log lines.")
    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="OpenTelemetry collector."
    )

    secret_fields: ClassVar[frozenset[str]] = frozenset(
        {"secret_key", "secret_key_old", "legacy_jwt_secret"}
    )

    @field_validator(
        "connection_allow",
        "cors_origins",
        "allowed_hosts",
        "trusted_proxies",
        "extensions",
        "pickle_allow",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("secret_key", "secret_key_old", "legacy_jwt_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        if len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"needs at least {MIN_SECRET_BYTES} bytes")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _no_wildcard(cls, value: list[str]) -> list[str]:
        if "*" in value:
            raise ValueError("name the origins; * would let any site call with cookies")
        return value

    @field_validator("rate_limit")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        if value is not None:
            parse_rate(value)
        return value

    @model_validator(mode="after")
    def _only_what_is_built(self) -> "Settings":
        for name in sorted(NOT_BUILT):
            if getattr(self, name) != type(self).model_fields[name].get_default():
                raise ValueError(
                    f"{name.upper()}: this version does not have it yet; leave it out"
                )
        return self

    @model_validator(mode="after")
    def _has_broker(self) -> "Settings":
        if self.executor in BROKERED and self.broker_address is None:
            raise ValueError(
                f"BROKER_URL: EXECUTOR={self.executor} needs one, such as "
                "redis://127.0.0.1:6379/0"
            )
        return self

    @model_validator(mode="after")
    def _safe_in_production(self) -> "Settings":
        if self.env == "production" and self.secret_key is None:
            raise ValueError(
                "SECRET_KEY: production needs one that you set and back up "
                "(openssl rand -base64 48)"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        return (
            init_settings,
            env_settings,
            _FileSource(settings_cls),
            dotenv_settings,
            toml,
        )

    @property
    def database_address(self) -> str:
        """The SQLAlchemy URL, driver always written out."""
        if self.database_url is None:
            return f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'foretell.db'}"
        return normalise_database_url(self.database_url.get_secret_value())

    @property
    def broker_address(self) -> str | None:
        """URL of the broker."""
        url = self.broker_url or self.redis_url
        return None if url is None else url.get_secret_value()

    @property
    def hosts(self) -> frozenset[str]:
        """Lower-case host names that requests may name."""
        if self.allowed_hosts:
            return frozenset(host.lower() for host in self.allowed_hosts)
        own = {"localhost", "127.0.0.1", "[::1]", self.host.lower(), "testserver"}
        if self.public_url:
            own.add(re.sub(r"^https?://|[:/].*$", "", self.public_url.lower()))
        return frozenset(own - ({"testserver"} if self.env == "production" else set()))

    def environment(self) -> dict[str, str]:
        """The variables that give another process these same settings."""
        return {
            f"{PREFIX}{name.upper()}": _as_text(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.get_default()
        }

    def masked(self) -> dict[str, str]:
        """Every setting as text, secrets and passwords in URLs replaced."""
        return {
            f"{PREFIX}{name.upper()}": _masked(name, getattr(self, name))
            for name in type(self).model_fields
        }


def parse_rate(text: str) -> tuple[int, int]:
    """`100/second` as a number of requests and a number of seconds.

    Raises:
        ValueError: It is no such text, or a rate that nobody could count.
    """
    count, _, unit = (part.strip() for part in text.lower().partition("/"))
    seconds = RATE_UNITS.get(unit)
    if seconds is None or not re.fullmatch(r"[1-9]\d{0,9}", count):
        units = ", ".join(f"/{unit}" for unit in RATE_UNITS)
        raise ValueError(f"takes a number and one of {units}, such as 100/second")
    if int(count) > MAX_RATE * seconds:
        raise ValueError(f"at most {MAX_RATE:,} a second are counted")
    return int(count), seconds


def normalise_database_url(url: str) -> str:
    """Write the async driver out: `postgres://…` becomes `postgresql+asyncpg://…`."""
    scheme, separator, rest = url.partition("://")
    drivers = {
        "postgres": "postgresql+asyncpg",
        "postgresql": "postgresql+asyncpg",
        "mysql": "mysql+asyncmy",
        "mariadb": "mysql+asyncmy",
        "sqlite": "sqlite+aiosqlite",
    }
    return drivers.get(scheme, scheme) + separator + rest


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` win over every source.

    Raises:
        SettingsError: One line for each wrong or unknown name.
    """
    unknown = _unknown_names()
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [_line_of(item) for item in error.errors(include_input=False)]
        raise SettingsError("\n".join(lines)) from None


def _line_of(item: Mapping[str, Any]) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return f"{PREFIX}{message}"
    return f"{PREFIX}{str(item['loc'][0]).upper()}: {message}"


def _unknown_names() -> list[str]:
    known = {name.upper() for name in Settings.model_fields}
    found = [
        name
        for name in os.environ
        if name.upper().startswith(PREFIX) and name.upper() not in CLIENT_NAMES
    ]
    dotenv = DotEnvSettingsSource(Settings)
    found += [n for n in dotenv.env_vars if n.upper().startswith(PREFIX)]
    lines = []
    for name in sorted(set(found)):
        short = name.upper().removeprefix(PREFIX).removesuffix("_FILE")
        if short not in known and name.upper() not in CLIENT_NAMES:
            lines.append(_unknown_line(name, short, known, PREFIX))
    for name in TomlConfigSettingsSource(Settings).toml_data:
        if name.upper() not in known:
            lines.append(
                _unknown_line(f"foretell.toml: {name}", name.upper(), known, "")
            )
    return lines


def _unknown_line(shown: str, short: str, known: set[str], prefix: str) -> str:
    near = difflib.get_close_matches(short, known, n=1, cutoff=0.6)
    names = [name if prefix else name.lower() for name in near]
    hint = f" Did you mean {prefix}{names[0]}?" if names else ""
    return f"{shown}: no such setting.{hint}"


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(value)
    return str(int(value)) if isinstance(value, int) else str(value)


def _masked(name: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        if name in Settings.secret_fields or "://" not in text:
            return "********"
        return mask_url(text)
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(value)
    return mask_url(str(value)) if name.endswith("_url") else str(value)


def mask_url(url: str) -> str:
    """Hide the password and the whole query of a URL (drivers take secrets there)."""
    return _URL_QUERY.sub("?********", _URL_PASSWORD.sub(r"\1:********@", url))
