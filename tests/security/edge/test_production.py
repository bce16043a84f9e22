"""K24: a production server refuses to start with settings that are unsafe.

The list stands in docs/explanation/edge.md.
"""

import subprocess
from pathlib import Path

import pytest

from foretell.settings import SettingsError, load_settings
from tests.served import COMMAND, free_environment

SECRET = "vLwEJ7dC1yq0rS4hP9tXk2mB6nZ8uGfA"
SAFE = {
    "env": "production",
    "secret_key": SECRET,
    "public_url": "https://foretell.example.org",
    "cors_origins": ["https://app.example.org"],
    "allowed_hosts": ["foretell.example.org"],
    "trusted_proxies": ["10.0.0.1"],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret_key", None),
        ("secret_key", "short"),
        ("allowed_hosts", ["*"]),
        ("trusted_proxies", ["*"]),
        ("public_url", "http://foretell.example.org"),
        ("cors_origins", ["http://app.example.org"]),
        ("cors_origins", ["*"]),
        ("cors_origins", ["null"]),
        ("cors_origins", ["https://app.example.org/path"]),
        ("cors_origins", ["app.example.org"]),
    ],
)
def test_k24_an_unsafe_setting_is_named(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load_settings(**SAFE)
    with pytest.raises(SettingsError, match=f"FORETELL_{name.upper()}: "):
        load_settings(**{**SAFE, name: value})


def test_k24_on_this_machine_alone_plain_http_is_safe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("http://localhost:8000", "http://127.0.0.1", "http://[::1]:80/ft"):
        load_settings(**{**SAFE, "public_url": url})
    with pytest.raises(SettingsError):
        load_settings(**{**SAFE, "public_url": "http://localhost.evil.example"})


def test_k24_serve_does_not_start_and_says_why(tmp_path: Path):
    done = subprocess.run(
        [*COMMAND, "serve", "--port", "0"],
        env=free_environment(
            tmp_path / "data",
            env="production",
            secret_key=SECRET,
            allowed_hosts="*",
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "FORETELL_ALLOWED_HOSTS: name the hosts" in done.stderr
    assert not (tmp_path / "data").exists()
