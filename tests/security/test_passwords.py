"""Checklist A01 to A07: what a password may be, and how it is kept."""

import sqlite3

import pytest

from foretell.auth.passwords import Argon2Parameters, PasswordHasher
from tests.security.clocked import Client, Clocked, by_password
from tests.served import PASSWORD, unique


def sign_up(client: Client, password: str, email: str = "") -> int:
    email = email or f"{unique('p')}@example.org"
    body = {"email": email, "password": password, "name": "Ann"}
    return client.post("/api/users", json=body).status_code


@pytest.mark.parametrize(
    ("length", "status"), [(7, 422), (8, 201), (64, 201), (1024, 201), (1025, 422)]
)
def test_a01_the_length_decides(server: Clocked, length: int, status: int) -> None:
    assert sign_up(server.admin, ("q7x" * 400)[:length]) == status


def test_a02_every_byte_and_every_case_counts(server: Clocked, visitor: Client) -> None:
    password = "a" * 72 + "B"
    email = server.person(password=password).email
    for wrong in ("a" * 72 + "C", "a" * 72 + "b", "a" * 72):
        assert by_password(visitor, email, wrong).status_code == 400
    assert by_password(visitor, email, password).status_code == 200


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("        ", 201),
        (" leading and trailing ", 201),
        ("ünïcödé påsswörd", 201),
        ("密码密码密码密码", 201),
        ("🔑" * 8, 201),
        ("e\u0301" * 8, 201),
        ("tab\tand\nnewline", 201),
        ("'; DROP TABLE users; --", 201),
        ("{{7*7}}${7*7}%s%n", 201),
        ("\u202eright to left", 201),
        ("nul\x00inside of it", 422),
        ("\x7f" * 8, 201),
    ],
)
def test_a03_any_text_has_a_defined_result(
    server: Clocked, visitor: Client, password: str, status: int
) -> None:
    email = f"{unique('p')}@example.org"
    assert sign_up(server.admin, password, email) == status
    signed_in = by_password(visitor, email, password).status_code
    assert signed_in == (200 if status == 201 else 400)


COMMON = [
    *("password", "12345678", "123456789", "1234567890", "qwertyuiop", "iloveyou"),
    *("sunshine", "princess", "football", "baseball", "superman", "trustno1"),
    *("jennifer", "whatever", "computer", "michelle", "password1", "passw0rd"),
    *("qwerty123", "Password1"),
]


def test_a04_common_passwords_are_refused(server: Clocked) -> None:
    assert len(COMMON) == 20
    assert {p: sign_up(server.admin, p) for p in COMMON} == dict.fromkeys(COMMON, 422)


def test_a05_a_change_needs_the_current_password(server: Clocked) -> None:
    email = server.person().email
    new = "a better battery staple"
    with server.signed_in(email) as client:
        for body in (
            {"new_password": new},
            {"new_password": new, "current_password": "wrong"},
            {"new_password": new, "current_password": ""},
        ):
            answer = client.post("/api/users/me/password", json=body)
            assert answer.status_code == 422, answer.text
        right = {"new_password": new, "current_password": PASSWORD}
        assert client.post("/api/users/me/password", json=right).status_code == 204
    server.sign_in(email, new)


def stored_hash(server: Clocked, email: str) -> str:
    with sqlite3.connect(server.data_dir / "foretell.db") as database:
        query = "SELECT password_hash FROM users WHERE email = ?"
        found: str = database.execute(query, (email,)).fetchone()[0]
    return found


def test_a06_a_hash_is_argon2id_and_renewed_at_the_next_sign_in(
    server: Clocked,
) -> None:
    email = server.person().email
    costs = "$argon2id$v=19$m=19456,t=2,p=1$"
    assert stored_hash(server, email).startswith(costs)
    cheap = PasswordHasher(Argon2Parameters(memory_kib=64, passes=1))
    old = server.run(cheap.hash(PASSWORD))
    cheap.close()
    with sqlite3.connect(server.data_dir / "foretell.db") as database:
        query = "UPDATE users SET password_hash = ? WHERE email = ?"
        database.execute(query, (old, email))
    server.sign_in(email)
    assert stored_hash(server, email).startswith(costs)


def test_a07_no_default_account_works(visitor: Client) -> None:
    names = ("admin", "root", "foretell", "test", "user")
    for name in names:
        for password in (name, "password"):
            for email in (name, f"{name}@localhost"):
                answer = by_password(visitor, email, password)
                assert answer.status_code in (400, 429), (email, password)
