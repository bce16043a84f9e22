"""Dockerfile and compose.yaml name what the project has: settings, commands, extras."""

import base64
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from foretell.cli.main import app
from foretell.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("api", "worker")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
_DEFAULTS = re.compile(r"\$\{(\w+):-([^}]*)\}")


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found = [line.partition(" ") for line in lines if line.strip()]
    return [(name, rest.strip()) for name, _, rest in found]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(n for n, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def of(name: str, stage: list[tuple[str, str]]) -> list[str]:
    return [rest for found, rest in stage if found == name]


def environment(service: str) -> dict[str, str]:
    """What a service is given when nobody sets anything."""
    given = SERVICES[service]["environment"]
    return {name: _DEFAULTS.sub(r"\2", str(value)) for name, value in given.items()}


# --- Dockerfile ------------------------------------------------------------------


def test_the_base_is_one_image_pinned_by_a_full_version() -> None:
    bases = {rest.split()[0] for rest in of("FROM", instructions())}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases.pop())


def test_it_runs_as_nobody_special_and_says_how_it_is() -> None:
    stage = last_stage()
    (user,) = of("USER", stage)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    (check,) = of("HEALTHCHECK", stage)
    assert "/healthz" in check
    assert [name for name, _ in stage[-2:]] == ["ENTRYPOINT", "CMD"]


def test_its_data_stand_in_the_volume_that_is_the_data_directory() -> None:
    (variables,) = of("ENV", last_stage())
    (volume,) = of("VOLUME", last_stage())
    assert f"{PREFIX}DATA_DIR={volume}" in variables.split()


def test_its_variables_are_settings_and_none_is_a_secret() -> None:
    (variables,) = of("ENV", last_stage())
    names = re.findall(rf"{PREFIX}(\w+)=", variables)
    assert {name.lower() for name in names} <= set(Settings.model_fields)
    assert not re.search(r"SECRET|PASSWORD|_URL", DOCKERFILE)


def test_its_extras_are_extras_of_the_package() -> None:
    extras = re.findall(r"--extra (\w+)", DOCKERFILE)
    assert set(extras) == {"postgres", "redis", "celery"}
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    assert extras[:3] == extras[3:], "both steps install the same"


def test_what_it_copies_reaches_the_builder_and_nothing_else_does() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    copied = [rest.split()[:-1] for rest in of("COPY", instructions())]
    sources = [name for names in copied for name in names if "--from" not in names[0]]
    assert {name.removeprefix("./") for name in sources} == set(let_in)
    assert all((ROOT / name).exists() for name in let_in)
    assert not any(fnmatch("secrets/secret_key", name) for name in let_in)


# --- compose.yaml ----------------------------------------------------------------


def test_the_services_are_there_and_each_says_how_it_is() -> None:
    assert set(SERVICES) == {"api", "worker", "database", "redis"}
    for name, service in SERVICES.items():
        checked_by_image = name == "api"  # the HEALTHCHECK of the Dockerfile
        assert checked_by_image or service["healthcheck"]["test"], name
        assert service["mem_limit"], name
        assert service["restart"] == "unless-stopped", name


def test_images_are_pinned_by_a_version() -> None:
    for name in ("database", "redis"):
        assert re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-\w+", SERVICES[name]["image"])
    ours = {SERVICES[name]["image"] for name in OURS}
    assert ours == {f"foretell:{PROJECT['version']}"}


@pytest.mark.parametrize("service", OURS)
def test_commands_are_commands_with_options_that_they_have(service: str) -> None:
    root: Any = get_command(app)
    line = [str(part) for part in SERVICES[service]["command"]]
    command = root.commands[line[0]]
    command.make_context(line[0], line[1:], resilient_parsing=False)
    check = SERVICES[service].get("healthcheck")
    if check is not None:
        _, program, name, *options = check["test"]
        assert program == "foretell"
        root.commands[name].make_context(name, options)


def test_the_api_runs_no_jobs_and_the_worker_nothing_else() -> None:
    assert SERVICES["api"]["command"] == ["serve", "--no-worker"]
    assert SERVICES["worker"]["command"][0] == "worker"


def test_api_and_worker_have_the_same_settings_files_and_secrets() -> None:
    api, worker = (SERVICES[name] for name in OURS)
    for key in ("environment", "volumes", "secrets", "image"):
        assert api[key] == worker[key]
    (volume,) = of("VOLUME", last_stage())
    assert api["volumes"] == [f"data:{volume}"]


def test_variables_are_settings_with_values_that_hold(monkeypatch, tmp_path) -> None:
    drawn = base64.b64encode(bytes(range(48))).decode()
    secrets = {"secret_key": drawn, "database_url": "postgresql://u:p@database/f"}
    for name, value in environment("api").items():
        setting = name.removeprefix(PREFIX).lower()
        assert setting.removesuffix("_file") in Settings.model_fields, name
        if setting.endswith("_file"):
            secret = Path(value).name
            assert secret in SERVICES["api"]["secrets"]
            file = tmp_path / secret
            file.write_text(secrets[secret])
            value = str(file)
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert settings.env == "production"
    assert settings.allowed_hosts == ["localhost", "127.0.0.1"]


def test_secrets_come_from_files_and_stand_nowhere() -> None:
    assert set(COMPOSE["secrets"]) == {
        "secret_key",
        "database_url",
        "database_password",
    }
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            is_secret = re.search(r"SECRET|PASSWORD|DATABASE_URL", name)
            assert not is_secret or name.endswith("_FILE"), name
    assert "secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_only_the_api_is_published_and_only_on_this_machine() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api"}
    (port,) = SERVICES["api"]["ports"]
    assert _DEFAULTS.sub(r"\2", port) == "127.0.0.1:8000:8000"
    assert COMPOSE["networks"]["back"] == {"internal": True}
    for name in ("database", "redis"):
        assert SERVICES[name]["networks"] == ["back"]
