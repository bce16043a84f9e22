"""Accounts of other backends: read from a real Django database, and from files."""

import base64
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from foretell.auth.foreign_hashes import HashUnreadable, imported_hash
from foretell.auth.foreign_users import csv_users, django_users
from foretell.auth.identity import Identity
from foretell.auth.importing import ForeignUser, ImportReport, in_batches
from foretell.auth.service import cli_principal
from foretell.core.principal import Role
from foretell.errors import ForetellError, Invalid, Unavailable
from tests.auth.conftest import add_user
from tests.served import Server

PASSWORD = "correct horse battery"
# Django itself makes the database, in a process that is not configured otherwise.
DJANGO = """
import json, sys
import django
from django.conf import settings
path, people = json.load(sys.stdin)
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers." + name for name in (
        "PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher",
        "BCryptSHA256PasswordHasher", "BCryptPasswordHasher", "ScryptPasswordHasher")],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True,
)
django.setup()
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
for name, (hasher, password, more) in people.items():
    User.objects.create(
        username=name, email=f"{name}@example.org",
        password=make_password(password, hasher=hasher), **more)
"""


def run_django(path: Path, people: dict[str, Any]) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DJANGO],
        input=json.dumps([str(path), people]),
        text=True,
        check=True,
        cwd="/",
        timeout=60,
    )


async def take(identity: Identity, users: Any) -> ImportReport:
    report = ImportReport()
    async for batch in in_batches(users, size=2):
        async with identity.unit_of_work() as services:
            await services.imports.take(cli_principal(), batch, report)
    return report


async def each(*users: ForeignUser):
    for user in users:
        yield user


async def signs_in(identity: Identity, email: str, password: str = PASSWORD) -> bool:
    async with identity.unit_of_work() as services:
        opened = await services.sessions.open(email, password)
    return not isinstance(opened, ForetellError)


async def stored_hash(identity: Identity, email: str) -> str:
    async with identity.unit_of_work() as services:
        return (await services.accounts.get_by_email(email)).password_hash


async def test_people_of_django_sign_in_with_their_passwords(
    identity: Identity, tmp_path: Path
) -> None:
    path = tmp_path / "django.sqlite3"
    people = {
        "pbkdf2_sha256": ("pbkdf2_sha256", PASSWORD, {"first_name": "Ann"}),
        "pbkdf2_sha1": ("pbkdf2_sha1", PASSWORD, {"is_superuser": True}),
        "argon2": ("argon2", PASSWORD, {}),
        "bcrypt": ("bcrypt", PASSWORD, {}),
        "bcrypt_sha256": ("bcrypt_sha256", PASSWORD, {}),
        "long": ("bcrypt_sha256", PASSWORD * 20, {}),
        "unusable": ("pbkdf2_sha256", None, {}),
        "inactive": ("pbkdf2_sha256", PASSWORD, {"is_active": False}),
        "scrypt": ("scrypt", PASSWORD, {}),
    }
    run_django(path, people)
    found = django_users(f"sqlite:///{path}", superusers=Role.ADMIN)
    report = await take(identity, found)
    assert (report.imported, report.without_password, report.refused) == (8, 1, 1)
    assert "is of no kind that is known here" in report.reasons[0]
    assert report.reasons[0].startswith("id 9: ")
    for name in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt", "bcrypt_sha256"):
        email = f"{name}@example.org"
        old = await stored_hash(identity, email)
        assert not await signs_in(identity, email, PASSWORD + "x")
        assert await signs_in(identity, email), name
        new = await stored_hash(identity, email)
        assert new.startswith("$argon2id$v=19$m=64,")
        assert new != old
        assert await signs_in(identity, email), name
    assert await signs_in(identity, "long@example.org", PASSWORD * 20)
    assert not await signs_in(identity, "unusable@example.org", "")
    assert not await signs_in(identity, "inactive@example.org")
    async with identity.unit_of_work() as services:
        admin = await services.accounts.get_by_email("pbkdf2_sha1@example.org")
        ann = await services.accounts.get_by_email("pbkdf2_sha256@example.org")
    assert (admin.role, ann.role, ann.name) == ("admin", "viewer", "Ann")


async def test_a_second_import_touches_nothing_that_is_there(
    identity: Identity,
) -> None:
    await add_user(identity, "ann@x.org")
    before = await stored_hash(identity, "ann@x.org")
    report = await take(
        identity, each(ForeignUser("line 2", "ANN@x.org", "Other", "!", Role.ADMIN))
    )
    assert (report.imported, report.there_already) == (0, 1)
    assert await stored_hash(identity, "ann@x.org") == before


@pytest.mark.parametrize("password", [PASSWORD, "x" * 72 + "tail", "ünïcödé" * 4])
async def test_a_bcrypt_hash_of_a_tutorial_is_upgraded(
    identity: Identity, password: str
) -> None:
    # Cost 4 keeps the test short; what matters is the format.
    cut = password.encode()[:72]
    old = bcrypt.hashpw(cut, bcrypt.gensalt(4)).decode()
    assert old.startswith("$2b$04$")
    assert (await take(identity, each(ForeignUser("1", "a@x.org", "A", old)))).imported
    assert not await signs_in(identity, "a@x.org", "wrong")
    assert await signs_in(identity, "a@x.org", password)
    assert (await stored_hash(identity, "a@x.org")).startswith("$argon2id$")
    if len(password) > 72:
        # Its last bytes count from now on.
        assert not await signs_in(identity, "a@x.org", password[:72])


def test_a_pbkdf2_hash_is_read_as_django_writes_it() -> None:
    key = hashlib.pbkdf2_hmac("sha256", b"p", b"salt", 1000)
    text = f"pbkdf2_sha256$1000$salt${base64.b64encode(key).decode()}"
    assert imported_hash(text) == text
    plain = "$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$aGFzaGhhc2g"
    assert imported_hash("argon2" + plain) == plain
    assert imported_hash("!unusable") == imported_hash("") == "!"


@pytest.mark.parametrize(
    "text",
    [
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "plain",
        "pbkdf2_sha256$99999999$salt$aGFzaGhhc2g=",
        "pbkdf2_sha256$1000$sa$lt$aGFzaGhhc2g=",
        "$2b$31$" + "a" * 53,
        "$2b$12$short",
        "$argon2id$v=19$m=99999999,t=2,p=8$c2FsdHNhbHQ$aGFzaGhhc2g",
        "pbkdf2_sha256$1000$salt$aGFzaGhhc2g=\n",
    ],
)
def test_a_hash_that_nobody_can_check_is_refused(text: str) -> None:
    with pytest.raises(HashUnreadable):
        imported_hash(text)


async def test_one_bad_row_costs_itself_alone(identity: Identity) -> None:
    report = await take(
        identity,
        each(
            ForeignUser("line 2", "no address", "A", "!"),
            ForeignUser("line 3", "b@x.org", "B", "md5$x$y"),
            ForeignUser("line 4", "c@x.org", "C\0", "!"),
            ForeignUser("line 5", "d@x.org", "", "!"),
        ),
    )
    assert (report.imported, report.refused) == (1, 3)
    assert [r.split(":")[0] for r in report.reasons] == ["line 2", "line 3", "line 4"]
    async with identity.unit_of_work() as services:
        assert (await services.accounts.get_by_email("d@x.org")).name == "d"


def write(folder: Path, content: str) -> Path:
    path = folder / "users.csv"
    path.write_text(content, "utf-8")
    return path


def test_a_csv_file_is_read_with_its_lines(tmp_path: Path) -> None:
    header = "\ufeffname,email,password_hash,role,disabled\n"
    rows = '"Ann\nLee",a@x.org,!,editor,\nBen,b@x.org,!,,true\n'
    ann, ben = csv_users(write(tmp_path, header + rows))
    assert (ann.place, ann.name, ann.role) == ("line 3", "Ann\nLee", Role.EDITOR)
    assert (ben.place, ben.role, ben.disabled) == ("line 4", Role.VIEWER, True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "lacks email, password_hash"),
        ("email,name\na@x.org,A\n", "lacks password_hash"),
        ("email,password_hash,role\na@x.org,!,owner\n", "line 2: the role 'owner'"),
        ("email,password_hash,disabled\na@x.org,!,maybe\n", "line 2: disabled is"),
    ],
)
def test_a_csv_file_that_says_something_else_is_refused(
    tmp_path: Path, content: str, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        list(csv_users(write(tmp_path, content)))


async def test_a_large_table_of_any_server_is_read_in_pages(
    any_url: str,
) -> None:
    engine = create_async_engine(any_url)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE TABLE shop_user (id INTEGER PRIMARY KEY, email VARCHAR(99),"
                " password VARCHAR(128), username VARCHAR(99))"
            )
        )
        rows = [
            {"id": n, "email": f"{n}@x.org", "password": "!", "username": f"u{n}"}
            for n in range(2_500)
        ]
        statement = "INSERT INTO shop_user VALUES (:id, :email, :password, :username)"
        await connection.execute(text(statement), rows)
    try:
        found = [u async for u in django_users(any_url, table="shop_user")]
        assert [u.place for u in found] == [f"id {n}" for n in range(2_500)]
        assert (found[7].email, found[7].name) == ("7@x.org", "u7")
        with pytest.raises(Invalid, match="with users in their names: shop_user"):
            await anext(django_users(any_url, table="auth_user"))
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP TABLE shop_user"))
        await engine.dispose()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:////nowhere/at/all.sqlite3", Unavailable),
        ("postgresql://me:hunter2@127.0.0.1:9/x", Unavailable),
        ("oracle://me:hunter2@h/x", Invalid),
        ("hunter2", Invalid),
    ],
)
async def test_a_database_that_is_not_there_is_told_without_its_password(
    url: str, kind: type[ForetellError]
) -> None:
    with pytest.raises(kind) as caught:
        await anext(django_users(url))
    assert "hunter2" not in caught.value.detail


def test_the_command_takes_accounts_over_and_names_what_it_could_not(
    tmp_path: Path,
) -> None:
    run_django(
        tmp_path / "d.sqlite3",
        {"ann": ("pbkdf2_sha256", PASSWORD, {}), "eve": ("scrypt", PASSWORD, {})},
    )
    local = Server(tmp_path / "data")
    address = f"sqlite:///{tmp_path / 'd.sqlite3'}"
    done = local.run(
        "user", "import", "--django", "-", "--json", text=address, check=False
    )
    report = json.loads(done.stdout)
    assert (done.returncode, report["imported"], report["refused"]) == (1, 1, 1)
    assert done.stderr.startswith("id 2: The hash of the password")
    again = local.run("user", "import", "--django", address, check=False)
    assert "there_already     1" in again.stdout
    assert local.run("user", "import", check=False).returncode == 2
    with sqlite3.connect(tmp_path / "data" / "foretell.db") as database:
        found = database.execute("SELECT action, detail FROM audit_log").fetchall()
    assert [action for action, _ in found] == ["user.import"]


def test_the_command_reads_a_file_and_moves_an_email(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    file = write(tmp_path, f"email,password_hash,role\nann@x.org,{hashed},admin\n")
    local = Server(tmp_path / "data")
    assert "imported          1" in local.run("user", "import", str(file)).stdout
    local.run("user", "email", "ann@x.org", "ann@y.org")
    (user,) = json.loads(local.run("user", "list", "--json").stdout)
    assert (user["email"], user["role"]) == ("ann@y.org", "admin")


def test_the_command_turns_signing_keys_over(tmp_path: Path) -> None:
    local = Server(tmp_path / "data")
    assert json.loads(local.run("signing-key", "list", "--json").stdout) == []
    kids = [
        json.loads(local.run("signing-key", "rotate", "--json").stdout)["kid"]
        for _ in range(2)
    ]
    listed = json.loads(local.run("signing-key", "list", "--json").stdout)
    assert [key["kid"] for key in listed] == kids
    # None is two minutes old, so every node agrees on the oldest.
    assert [key["signs"] for key in listed] == [True, False]
    local.run("signing-key", "remove", kids[0])
    gone = local.run("signing-key", "remove", kids[0], check=False)
    assert (gone.returncode, "no signing key" in gone.stderr) == (1, True)
