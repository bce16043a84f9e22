"""The services around a project: its database, its broker, and the image."""

from pathlib import PurePosixPath

from foretell.builder.names import ProjectName
from foretell.builder.rendering import Files, render
from foretell.builder.specification import Spec

DATABASE_EXTRAS = {"sqlite": (), "postgres": ("postgres",), "mysql": ("mysql",)}
_ADDRESSES = {
    "postgres": "postgresql+asyncpg://{user}:change-me@{host}:5432/{user}",
    "mysql": "mysql+asyncmy://{user}:change-me@{host}:3306/{user}?charset=utf8mb4",
}


# The broker of `docker compose up`, as a laptop reaches it.
_ON_CELERY = (
    "# FORETELL_EXECUTOR=celery    # as in production; `docker compose up -d broker`",
    "# FORETELL_BROKER_URL=redis://127.0.0.1:6379/0",
)


def env_lines(name: ProjectName, spec: Spec) -> list[str]:
    """What `.env` may hold on a laptop."""
    lines = [
        "# FORETELL_SECRET_KEY=        # openssl rand -base64 48; kept in the data "
        "directory without",
        "# FORETELL_SMTP_URL=          # mails go to foretell-data/outbox without",
    ]
    if spec.jobs == "celery":
        lines += _ON_CELERY
    if spec.db != "sqlite":
        lines.insert(0, f"FORETELL_DATABASE_URL={_address(name, spec, '127.0.0.1')}")
    return lines


def service_files(name: ProjectName, spec: Spec) -> Files:
    """Compose file, image and production settings; nothing for SQLite and workers of
    the server's own."""
    if spec.db == "sqlite" and spec.jobs == "embedded":
        return {}
    services = [_app(spec), *_database(name, spec)]
    if spec.jobs == "celery":
        services = [_app(spec), _worker(spec), *_database(name, spec), _BROKER]
    return {
        PurePosixPath("compose.yaml"): render(
            "compose.yaml", services="\n".join(services)
        ).rstrip("\n")
        + _volumes(spec),
        PurePosixPath("Dockerfile"): render("dockerfile", package=name.package),
        PurePosixPath(".env.production.example"): render(
            "env_production", lines="\n".join(_production_lines(name, spec))
        ),
    }


def _address(name: ProjectName, spec: Spec, host: str) -> str:
    return _ADDRESSES[spec.db].format(user=_user(name), host=host)


def _user(name: ProjectName) -> str:
    return name.package[:32]  # MySQL's longest user name


def _production_lines(name: ProjectName, spec: Spec) -> list[str]:
    lines = ["FORETELL_ENV=production", "FORETELL_SECRET_KEY="]
    if spec.db != "sqlite":
        lines.append(f"FORETELL_DATABASE_URL={_address(name, spec, 'database')}")
    if spec.jobs == "celery":
        lines += [
            "FORETELL_EXECUTOR=celery",
            "FORETELL_BROKER_URL=redis://broker:6379/0",
        ]
    return lines


def _app(spec: Spec) -> str:
    command = '    command: ["foretell", "serve", "--no-worker"]\n'
    return f"""  app:
    profiles: [production]
    build: .
{command if spec.jobs == "celery" else ""}\
    env_file: .env.production
    ports: ["8000:8000"]
    volumes: ["data:/data"]
{_needs(spec)}"""


def _worker(spec: Spec) -> str:
    return f"""  worker:
    profiles: [production]
    build: .
    command: ["foretell", "worker"]
    env_file: .env.production
    volumes: ["data:/data"]
{_needs(spec)}"""


def _needs(spec: Spec) -> str:
    names = ["database"] if spec.db != "sqlite" else []
    names += ["broker"] if spec.jobs == "celery" else []
    lines = [f"      {name}: {{ condition: service_healthy }}" for name in names]
    return "\n".join(["    depends_on:", *lines])


def _database(name: ProjectName, spec: Spec) -> list[str]:
    user = _user(name)
    if spec.db == "postgres":
        return [f"""  database:
    image: postgres:18
    environment:
      POSTGRES_USER: {user}
      POSTGRES_PASSWORD: change-me
    ports: ["127.0.0.1:5432:5432"]
    volumes: ["database:/var/lib/postgresql"]
    healthcheck:
      test: ["CMD", "pg_isready", "-U", "{user}"]
      interval: 2s"""]
    if spec.db == "mysql":
        return [f"""  database:
    image: mysql:8.4
    environment:
      MYSQL_DATABASE: {user}
      MYSQL_USER: {user}
      MYSQL_PASSWORD: change-me
      MYSQL_RANDOM_ROOT_PASSWORD: "yes"
    ports: ["127.0.0.1:3306:3306"]
    volumes: ["database:/var/lib/mysql"]
    healthcheck:
      test: ["CMD", "mysqladmin", "ping", "-h", "127.0.0.1"]
      interval: 2s"""]
    return []


_BROKER = """  broker:
    image: redis:8
    ports: ["127.0.0.1:6379:6379"]
    healthcheck:
      test: ["CMD", "redis-cli", "ping"]
      interval: 2s"""


def _volumes(spec: Spec) -> str:
    names = ["data", *(["database"] if spec.db != "sqlite" else [])]
    return "\n\nvolumes:\n" + "".join(f"  {name}:\n" for name in names)
