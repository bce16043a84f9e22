"""Which key goes to which server."""

from pathlib import Path

import pytest

from foretell.client.credentials import (
    KEY_FILE,
    address_of,
    find_target,
    read_key_file,
    write_key_file,
)
from foretell.client.errors import CredentialMissing, KeyFileExposed


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FORETELL_URL", "FORETELL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORETELL_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_what_is_given_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORETELL_URL", "http://a")
    monkeypatch.setenv("FORETELL_API_KEY", "one")
    assert find_target() == find_target("http://a/", "one")
    assert find_target("http://b", "two").api_key == "two"


def test_a_written_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = write_key_file(tmp_path, "ftl_x")
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_key_file(tmp_path) == "ftl_x"


def test_a_local_key_opens_the_local_server(tmp_path: Path) -> None:
    write_key_file(tmp_path, "ftl_x")
    target = find_target()
    assert (target.url, target.api_key) == ("http://127.0.0.1:8000", "ftl_x")


def test_a_local_key_goes_to_no_other_machine(tmp_path: Path) -> None:
    write_key_file(tmp_path, "ftl_x")
    with pytest.raises(CredentialMissing, match="FORETELL_API_KEY"):
        find_target("http://example.org")


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write_key_file(tmp_path, "ftl_x").chmod(0o644)
    with pytest.raises(KeyFileExposed, match=KEY_FILE):
        find_target()


def test_without_any_key_the_message_says_how_to_make_one() -> None:
    with pytest.raises(CredentialMissing, match="foretell key create --save"):
        find_target()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104 - an address, not bound
        ("::", "http://[::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_by_loopback(
    host: str, address: str
) -> None:
    assert address_of(host, 80) == address
