"""The command line as a person or a script uses it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import RedisServer
from tests.served import COMMAND, PASSWORD, Server, free_environment

_LAZY = """
import sys
from typer.main import get_command
from foretell.cli.main import app
get_command(app)
heavy = {"fastapi", "starlette", "sqlalchemy", "pandas", "polars", "numpy", "sklearn",
         "pyarrow", "duckdb", "onnxruntime", "uvicorn", "httpx2", "rich.console"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.fixture
def local(tmp_path: Path) -> Server:
    """The commands on an empty data directory, with no server running."""
    return Server(tmp_path / "data")


def test_help_loads_no_library_of_the_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LAZY], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_importing_foretell_loads_nothing_but_itself() -> None:
    code = "import sys; a = set(sys.modules); import foretell; print(sorted(set(sys.modules) - a))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "sqlalchemy" not in done.stdout
    assert "fastapi" not in done.stdout


def test_a_wrong_setting_is_one_line_and_exit_2(tmp_path: Path) -> None:
    environment = free_environment(tmp_path, port="abc", logg_format="json")
    done = subprocess.run(
        [*COMMAND, "serve"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "FORETELL_LOGG_FORMAT: no such setting. Did you mean FORETELL_LOG_FORMAT?"
    ]
    del environment["FORETELL_LOGG_FORMAT"]
    done = subprocess.run(
        [*COMMAND, "serve"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("FORETELL_PORT: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_command_is_exit_2(local: Server) -> None:
    assert local.run("datasett", check=False).returncode == 2
    assert local.run("job", "show", check=False).returncode == 2


def test_shown_settings_hide_secrets(tmp_path: Path) -> None:
    local = Server(
        tmp_path / "data",
        secret_key="s" * 40,
        database_url="postgresql://me:hunter2@db/x?password=hunter3",
    )
    shown = local.run("config", "show").stdout
    assert "FORETELL_PORT" in shown
    assert "ssss" not in shown
    assert "hunter" not in shown


def test_the_first_account_is_an_admin_and_gets_a_key_file(local: Server) -> None:
    made = json.loads(
        local.run(
            "user", "create", "a@x.org", "--json", text=PASSWORD + "\nignored"
        ).stdout
    )
    assert made["role"] == "admin"
    key_file = local.data_dir / "cli.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    second = local.run("user", "create", "b@x.org", "--json", text=PASSWORD + "\n")
    assert json.loads(second.stdout)["role"] == "viewer"
    emails = [
        u["email"] for u in json.loads(local.run("user", "list", "--json").stdout)
    ]
    assert emails == ["a@x.org", "b@x.org"]


def test_accounts_are_refused_with_a_reason(local: Server) -> None:
    local.run("user", "create", "a@x.org", text=PASSWORD + "\n")
    done = local.run("user", "create", "A@x.org", text=PASSWORD + "\n", check=False)
    assert (done.returncode, "already" in done.stderr) == (1, True)
    done = local.run("user", "create", "b@x.org", text="short\n", check=False)
    assert (done.returncode, "8 characters" in done.stderr) == (1, True)
    done = local.run("user", "disable", "a@x.org", check=False)
    assert done.returncode == 1


def test_keys_are_made_rotated_and_deleted(local: Server) -> None:
    local.run("user", "create", "a@x.org", text=PASSWORD + "\n")
    made = json.loads(
        local.run("key", "create", "--scope", "jobs:read", "--json").stdout
    )
    assert made["key"].startswith("ftl_")
    rotated = json.loads(local.run("key", "rotate", made["id"], "--json").stdout)
    assert rotated["scopes"] == ["jobs:read"]
    assert rotated["key"] != made["key"]
    ids = [key["id"] for key in json.loads(local.run("key", "list", "--json").stdout)]
    assert made["id"] not in ids
    local.run("key", "delete", rotated["id"])
    assert local.run("key", "delete", rotated["id"], check=False).returncode == 1


def test_without_a_key_the_way_to_make_one_is_named(local: Server) -> None:
    done = local.run("dataset", "list", check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("foretell key create --save")


def test_without_a_server_the_way_to_start_one_is_named(local: Server) -> None:
    local.run("user", "create", "a@x.org", text=PASSWORD + "\n")
    local.environment["FORETELL_PORT"] = "9"
    done = local.run("dataset", "list", check=False)
    assert done.returncode == 1
    assert "foretell serve" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_the_schema_is_upgraded_checked_and_taken_back(local: Server) -> None:
    done = local.run("db", "check", check=False)
    assert done.returncode == 1
    assert "foretell db upgrade" in done.stderr
    assert local.run("db", "upgrade").stdout.startswith("schema at ")
    assert local.run("db", "check").stdout.strip() == "the schema is current"
    assert local.run("db", "downgrade", "base").stdout.strip() == "schema at nothing"


def test_the_doctor_finds_a_healthy_machine_and_a_sick_one(local: Server) -> None:
    local.run("db", "upgrade")
    found = {f["part"]: f for f in json.loads(local.run("doctor", "--json").stdout)}
    assert found["database"]["ok"]
    assert "ms" in found["database"]["what"]
    assert {"versions", "extras", "sandbox", "schema", "data directory"} <= set(found)
    local.environment["FORETELL_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/x"
    done = local.run("doctor", check=False)
    assert done.returncode == 1
    assert "does not answer" in done.stdout


def test_the_doctor_tells_of_redis_which_nothing_needs(local: Server) -> None:
    def told() -> str:
        found = json.loads(local.run("doctor", "--json").stdout)
        (redis,) = (finding for finding in found if finding["part"] == "redis")
        assert redis["ok"]
        return str(redis["what"])

    local.run("db", "upgrade")
    assert told().startswith("none")
    with RedisServer() as redis:
        local.environment["FORETELL_REDIS_URL"] = redis.url
        assert told().startswith("answers")
        redis.kill()
        assert "does not answer" in told()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1", "takes redis, rediss, unix; this is 'http'"),
        ("redis://127.0.0.1:port", "FORETELL_REDIS_URL: "),
    ],
)
def test_a_redis_url_that_is_none_is_one_line(
    local: Server, url: str, words: str
) -> None:
    local.environment["FORETELL_REDIS_URL"] = url
    done = local.run("serve", check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_redis_library_is_named_with_the_pip_line(local: Server) -> None:
    code = "import sys; sys.modules['redis'] = None; import foretell.cli.main as m; "
    local.environment["FORETELL_REDIS_URL"] = "redis://127.0.0.1:1/0"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}m.main()", "serve"],
        env=local.environment,
        cwd=local.data_dir.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'foretell[redis]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_driver_is_named_with_the_pip_line(local: Server) -> None:
    local.environment["FORETELL_DATABASE_URL"] = "mysql+aiomysql://root@127.0.0.1/x"
    done = local.run("doctor", check=False)
    assert done.returncode == 2
    assert "pip install 'foretell[mysql]'" in done.stderr


def test_the_version_is_printed(local: Server) -> None:
    assert local.run("--version").stdout.startswith("foretell ")
    assert set(json.loads(local.run("version", "--json").stdout)) == {"version"}
