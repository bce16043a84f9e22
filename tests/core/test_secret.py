"""The generated secret: made once, kept, private."""

import pytest

from foretell.core.secret import load_secret
from foretell.settings import SettingsError, load_settings


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path):
    settings = load_settings(data_dir=tmp_path / "data")
    first = load_secret(settings)
    assert load_secret(settings) == first
    assert len(first) >= 32
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o077 == 0


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    settings = load_settings(data_dir=tmp_path)
    load_secret(settings)
    (tmp_path / "secret.key").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_secret(settings)
