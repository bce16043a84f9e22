from pathlib import Path

from foretell.auth.work import AuthOptions
from foretell.settings import Settings


def test_every_node_has_the_same_issuer_without_a_public_url(tmp_path: Path) -> None:
    one = AuthOptions.of(Settings(data_dir=tmp_path, host="10.0.0.1"))
    other = AuthOptions.of(Settings(data_dir=tmp_path, host="10.0.0.2", port=9000))
    assert one.issuer == other.issuer == "foretell"
    assert other.address == "http://10.0.0.2:9000"


def test_the_public_url_is_issuer_and_address(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        public_url="https://ml.example/",
        signup="open",
        password_min=15,
        cors_origins=["https://front.example/"],
    )
    options = AuthOptions.of(settings)
    assert options.issuer == options.address == "https://ml.example"
    assert options.is_signup_open
    assert options.password_min == 15
    assert options.origins == {"https://front.example"}
    assert not options.is_production
