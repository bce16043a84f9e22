import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis.strategies import text

from foretell.auth.errors import HashingBusy, PasswordUnfit
from foretell.auth.password_rules import check_new_password, common_passwords
from foretell.auth.passwords import Argon2Parameters, PasswordHasher
from tests.auth.conftest import CHEAP

ODD = [
    "密" * 25,
    "a" * 73,
    "        ",
    "nul\x00inside",
    "half\ud800pair",
    "emoji 🐎🔋📎 staple",
    "ends with space ",
    "Ünïcödé-páss",
    "a" * 1024,
    "\u200b" * 8,
    "tab\tand\nline",
    "'; DROP TABLE users",
]


@pytest.fixture
def hasher():
    made = PasswordHasher(CHEAP)
    yield made
    made.close()


@pytest.mark.parametrize("password", ODD)
async def test_a03_any_text_is_hashed_and_found_again(hasher, password: str) -> None:
    stored = await hasher.hash(password)
    assert (await hasher.verify(password, stored)).matches
    assert not (await hasher.verify(password + "x", stored)).matches


async def test_a02_every_byte_counts(hasher) -> None:
    stored = await hasher.hash("a" * 72 + "b")
    assert not (await hasher.verify("a" * 72 + "c", stored)).matches
    assert not (await hasher.verify("A" * 72 + "b", stored)).matches


async def test_nobody_and_unknown_hashes_match_nothing(hasher) -> None:
    for stored in (None, "", "plain", "$2b$12$abc", "$argon2id$v=19$broken"):
        assert not (await hasher.verify("", stored)).matches
    stored = await hasher.hash("x")
    assert not (await hasher.verify("x" * 1025, stored)).matches


async def test_a06_the_default_is_argon2id_and_old_costs_are_renewed(hasher) -> None:
    current = PasswordHasher()
    old = await hasher.hash("some password")
    verdict = await current.verify("some password", old)
    current.close()
    assert verdict.matches
    assert verdict.new_hash is not None
    assert verdict.new_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_full_queue_sends_callers_away_with_a_time() -> None:
    hasher = PasswordHasher(Argon2Parameters(64, 1), threads=1, queue=2)
    gate = threading.Event()
    hasher._pool.submit(gate.wait)
    waiting = [asyncio.create_task(hasher.hash("x" * 8)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(HashingBusy) as refused:
        await hasher.hash("x" * 8)
    gate.set()
    assert refused.value.retry_after_seconds >= 1
    assert len(await asyncio.gather(*waiting)) == 2
    assert await hasher.hash("there is room again")
    hasher.close()


@pytest.mark.parametrize(
    ("length", "is_taken"),
    [(7, False), (8, True), (64, True), (1024, True), (1025, False)],
)
def test_a01_length_decides(length: int, is_taken: bool) -> None:
    password = ("zq3 Kp!w" * 200)[:length]
    if is_taken:
        check_new_password(password, minimum=8)
        return
    with pytest.raises(PasswordUnfit):
        check_new_password(password, minimum=8)


@pytest.mark.parametrize(
    "password",
    [
        "password", "12345678", "iloveyou", "princess", "qwertyuiop", "sunshine",
        "football", "Password1", "baseball1", "superman", "trustno1", "1q2w3e4r",
        "letmein1", "qwerty123", "11111111", "starwars", "welcome1", "Michael1",
        "passw0rd", "abcd1234", "admin123", "liverpool", "charlie1", "computer",
    ],
)  # fmt: skip
def test_a04_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordUnfit, match="everybody tries"):
        check_new_password(password, minimum=8)


def test_a04_the_list_is_long_and_holds_nothing_that_is_refused_anyway() -> None:
    common = common_passwords()
    assert len(common) > 4000
    assert all(len(word) >= 8 and word == word.casefold() for word in common)


def test_the_email_is_no_password() -> None:
    with pytest.raises(PasswordUnfit):
        check_new_password("Ann@Example.org", minimum=8, email="ann@example.org")


@settings(deadline=None)
@given(text())
def test_every_text_has_a_defined_result(password: str) -> None:
    refused: PasswordUnfit | None = None
    try:
        check_new_password(password, minimum=8)
    except PasswordUnfit as error:
        refused = error
    assert refused is None or refused.errors[0].pointer == "/password"
