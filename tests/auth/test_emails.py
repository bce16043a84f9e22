import unicodedata

import pytest
from hypothesis import given
from hypothesis.strategies import text

from foretell.auth.emails import checked_email, email_key, find_email_key
from foretell.auth.errors import EmailUnfit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@x.org", "ANN@X.ORG"),
        ("Élodie@x.org", "élodie@X.org"),
        (
            unicodedata.normalize("NFD", "élodie@x.org"),
            unicodedata.normalize("NFC", "Élodie@x.org"),
        ),
        ("a@bücher.example", "A@BÜCHER.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
    ],
)
def test_spellings_of_one_address_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    "email", ["root@localhost", "a@corp.local", "a@x.test", "a.b+c@sub.x.org"]
)
def test_addresses_of_an_office_are_taken(email: str) -> None:
    assert checked_email(email) == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@x.org",
        "ann@",
        "ann@@x.org",
        " ann@x.org",
        "ann@x.org\n",
        "ann\x00@x.org",
        "a\ud800@x.org",
        "a@\ud800.org",
        "a@x..org",
        "Ann <ann@x.org>",
        f"{'a' * 300}@x.org",
    ],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(EmailUnfit):
        checked_email(email)


@given(text(max_size=40))
def test_nothing_that_is_typed_to_sign_in_raises(typed: str) -> None:
    for email in (typed, f"{typed}@x.org", f"ann@{typed}"):
        key = find_email_key(email)
        assert key is None or "@" in key


@given(text(min_size=1, max_size=20))
def test_a_key_is_the_key_of_itself(local: str) -> None:
    key = find_email_key(f"{local}@x.org")
    again = find_email_key(key) if key else None
    assert key is None or again in (None, key)
