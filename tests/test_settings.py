"""Settings: one line for each wrong name, secrets never shown."""

import base64
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis.strategies import binary

from foretell.settings import (
    SettingsError,
    is_guessable,
    load_settings,
    mask_url,
    parse_rate,
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("FORETELL_"):
            monkeypatch.delenv(name)


def test_every_default_works_without_any_setting():
    settings = load_settings()
    assert settings.port == 8000
    assert settings.database_address.startswith("sqlite+aiosqlite:////")
    assert "127.0.0.1" in settings.hosts


def test_a_wrong_value_is_one_line_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("FORETELL_PORT", "abc")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.detail.startswith("FORETELL_PORT: ")
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("name", ["LEGACY_JWT_ISSUER", "LEGACY_JWT_AUDIENCE"])
def test_rules_for_tokens_made_elsewhere_need_their_secret(monkeypatch, name):
    monkeypatch.setenv(f"FORETELL_{name}", "elsewhere")
    with pytest.raises(SettingsError, match=f"^FORETELL_{name}: needs LEGACY_JWT_"):
        load_settings()


def test_the_secret_of_tokens_made_elsewhere_is_not_our_own(monkeypatch):
    for name in ("SECRET_KEY", "LEGACY_JWT_SECRET"):
        monkeypatch.setenv(f"FORETELL_{name}", "s" * 40)
    with pytest.raises(SettingsError, match="must not be SECRET_KEY"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/second", (100, 1)),
        (" 5 / Minute", (5, 60)),
        ("1/hour", (1, 3_600)),
        ("2000000/day", (2_000_000, 86_400)),
    ],
)
def test_a_rate_is_a_number_and_a_unit(monkeypatch, text, rate):
    monkeypatch.setenv("FORETELL_RATE_LIMIT", text)
    found = load_settings().rate_limit
    assert found is not None
    assert parse_rate(found) == rate


@pytest.mark.parametrize(
    "text",
    ["", "100", "0/second", "-1/second", "1.5/second", "5/week", "100001/second"],
)
def test_what_is_no_rate_is_refused(monkeypatch, text):
    monkeypatch.setenv("FORETELL_RATE_LIMIT", text)
    with pytest.raises(SettingsError, match=r"^FORETELL_RATE_LIMIT: "):
        load_settings()


def test_an_unknown_name_is_refused_with_the_nearest_one(monkeypatch):
    monkeypatch.setenv("FORETELL_DATABSE_URL", "x")
    with pytest.raises(SettingsError, match="Did you mean FORETELL_DATABASE_URL"):
        load_settings()


def test_an_unknown_name_like_no_other_is_refused_too(monkeypatch):
    monkeypatch.setenv("FORETELL_QQQQ", "x")
    with pytest.raises(SettingsError, match=r"^FORETELL_QQQQ: no such setting\.$"):
        load_settings()


def test_an_unknown_name_in_a_file_is_refused_too(tmp_path):
    (tmp_path / "foretell.toml").write_text('prot = 8001\nhost = "0.0.0.0"\n')
    with pytest.raises(SettingsError, match=r"foretell\.toml: prot.*port"):
        load_settings()


def test_names_of_the_command_line_are_known(monkeypatch):
    monkeypatch.setenv("FORETELL_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("FORETELL_API_KEY", "ftl_x")
    assert load_settings().port == 8000


def test_the_environment_wins_over_dotenv_and_that_over_toml(tmp_path, monkeypatch):
    (tmp_path / "foretell.toml").write_text('port = 1\nhost = "h1"\nsignup = "open"\n')
    (tmp_path / ".env").write_text("FORETELL_PORT=2\nFORETELL_HOST=h2\n")
    monkeypatch.setenv("FORETELL_PORT", "3")
    settings = load_settings()
    assert (settings.port, settings.host, settings.signup) == (3, "h2", "open")


def test_a_secret_can_stand_in_a_file(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("k" * 40 + "\n")
    monkeypatch.setenv("FORETELL_SECRET_KEY_FILE", str(tmp_path / "key"))
    settings = load_settings()
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == "k" * 40


def test_a_short_secret_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("FORETELL_SECRET_KEY", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "32 bytes" in caught.value.detail
    assert "hunter2" not in caught.value.detail


def test_production_wants_a_secret_of_its_own(monkeypatch):
    monkeypatch.setenv("FORETELL_ENV", "production")
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        load_settings()


@pytest.mark.parametrize(
    "secret",
    [
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "k" * 48,
        "please-change-me-before-you-go-live-4711",
        "django-insecure-%2x9$q7w!8v@k3j#5h6g4f1d",
        "0123456789abcdef" * 3,
    ],
)
def test_production_takes_no_secret_that_others_could_guess(monkeypatch, secret):
    monkeypatch.setenv("FORETELL_SECRET_KEY", secret)
    load_settings()
    monkeypatch.setenv("FORETELL_ENV", "production")
    with pytest.raises(SettingsError, match=r"^FORETELL_SECRET_KEY: ") as caught:
        load_settings()
    assert secret not in caught.value.detail


@given(made=binary(min_size=24, max_size=64))
def test_a_random_secret_is_not_called_guessable(made):
    # The bytes only seed it: what a person would draw with openssl.
    drawn = hashlib.sha512(made).digest()[:48]
    assert not is_guessable(base64.b64encode(drawn).decode())


def test_wildcard_origins_are_refused(monkeypatch):
    monkeypatch.setenv("FORETELL_CORS_ORIGINS", "*")
    with pytest.raises(SettingsError, match="FORETELL_CORS_ORIGINS"):
        load_settings()


def test_masked_settings_hold_no_secret(monkeypatch):
    monkeypatch.setenv("FORETELL_SECRET_KEY", "s" * 40)
    monkeypatch.setenv(
        "FORETELL_DATABASE_URL", "postgres://me:hunter2@db/x?password=hunter3"
    )
    shown = str(load_settings().masked())
    for secret in ("s" * 40, "hunter2", "hunter3"):
        assert secret not in shown
    assert "postgres://me:********@db/x" in shown


def test_another_process_gets_the_same_settings(monkeypatch, tmp_path):
    settings = load_settings(
        data_dir=tmp_path / "a b",
        secret_key="s" * 40,
        port=1234,
        cors_origins=["https://a.example", "https://b.example"],
        max_upload_bytes="3 MiB",
        database_url="postgres://me:hunter2@db/x",
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("postgres://h/x", "postgresql+asyncpg://h/x"),
        ("postgresql://h/x", "postgresql+asyncpg://h/x"),
        ("mysql://h/x", "mysql+asyncmy://h/x"),
        ("mysql+aiomysql://h/x", "mysql+aiomysql://h/x"),
    ],
)
def test_database_urls_get_their_driver(given, made):
    assert load_settings(database_url=given).database_address == made


def test_the_password_of_a_url_is_masked_even_with_a_colon():
    assert "pa:ss" not in mask_url("redis://u:pa:ss@h:6379/0")
