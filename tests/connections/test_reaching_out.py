"""Where connections go, and where secrets do not."""

import socket
import sqlite3
from contextlib import closing

import pytest
from pydantic import SecretStr

from foretell.auth.seal import Seal, SealBroken
from foretell.connections.addresses import Addresses, Allowed
from foretell.connections.addressing import from_url
from foretell.connections.errors import AddressForbidden, ConnectionInvalid
from tests.connections.conftest import Reach
from tests.served import Server, unique, upload

CANARY = "canary-7f3c19d2"
WAIT = {"Prefer": "wait=50"}
CLOSED = [
    "127.0.0.1",
    "localhost",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - refused
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2130706433",
    "0x7f.1",
    "127.1",
]


@pytest.mark.parametrize("host", CLOSED)
async def test_what_is_not_public_is_closed(host):
    with pytest.raises(AddressForbidden):
        await Addresses().resolve(host, 5432)


async def test_low_ports_are_closed_and_what_is_listed_is_open():
    assert await Addresses().resolve("8.8.8.8", 5432) == "8.8.8.8"
    with pytest.raises(AddressForbidden):
        await Addresses().resolve("8.8.8.8", 25)
    listed = Addresses(["127.0.0.1:5432", "10.0.0.0/8", "[::1]:6379", "0.0.0.0/0:99"])
    assert await listed.resolve("127.0.0.1", 5432) == "127.0.0.1"
    assert await listed.resolve("10.9.9.9", 1) == "10.9.9.9"
    assert await listed.resolve("::1", 6379) == "::1"
    for host, port in (("127.0.0.1", 5433), ("169.254.169.254", 99)):
        with pytest.raises(AddressForbidden):
            await listed.resolve(host, port)


async def test_a_listed_name_is_open_whatever_it_resolves_to():
    assert await Addresses(["localhost:5432"]).resolve("localhost", 5432)


MALFORMED = [
    "",
    ":5432",
    "1.2.3.4:0",
    "1.2.3.4:x",
    "1.2.3.4/99",
    "1.2.3",
    "300.1.1.1",
    "a b",
    "https://db.internal",
    "me@db.internal",
    "db_$1",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_entry_is_an_error(text):
    with pytest.raises(ValueError, match=r"names no|is no|is neither|is a URL"):
        Allowed.parse(text)


@pytest.mark.parametrize("command", ["serve", "worker", "doctor"])
def test_a_malformed_list_is_told_with_the_fix_and_in_one_line(tmp_path, command):
    server = Server(tmp_path / "data", connection_allow="127.0.0.1,10.0.0.0/33")
    port = ["--port", "0"] if command == "serve" else []
    done = server.run(command, *port, check=False)
    assert done.returncode != 0
    said = (done.stdout + done.stderr).strip().splitlines()[-1]
    assert said == (
        "FORETELL_CONNECTION_ALLOW: '10.0.0.0/33' is no network. Write addresses, "
        "networks or names, with commas between: 127.0.0.1:5432, 10.0.0.0/8, "
        "[::1]:6379, db.internal:3306."
    )
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d?passfile=/etc/passwd",
        "postgresql://h/d?service=x",
        "postgresql://h/d?sslkey=/x",
        "mysql://h/d?local_infile=1",
        "mongodb://h/d?tlsCAFile=/x",
        "sqlite://host/x.db",
        "sqlite:///x.db?mode=rwc",
        "file:///etc/passwd",
        "http://h/",
        "postgresql://h:999999/d",
    ],
)
def test_a_url_that_says_more_is_refused(url):
    with pytest.raises(ConnectionInvalid):
        from_url(url).demand_sense()


def test_a_secret_opens_with_the_old_key_until_it_is_sealed_anew():
    old, new = b"a" * 32, b"b" * 32
    sealed = Seal([old], b"x").close(SecretStr(CANARY))
    assert CANARY not in sealed
    both = Seal([new, old], b"x")
    assert both.open(sealed).get_secret_value() == CANARY
    assert not both.is_current(sealed)
    again = both.close(both.open(sealed))
    assert Seal([new], b"x").open(again).get_secret_value() == CANARY
    with pytest.raises(SealBroken):
        Seal([new], b"x").open(sealed)


@pytest.mark.parametrize(
    "path", ["../foretell.db", "/etc/passwd", "file:x", ":memory:"]
)
def test_no_file_outside_of_the_folder_is_opened(reach: Reach, path: str):
    body = {"kind": "sqlite", "path": path}
    answer = reach.editor.put(f"/api/connections/{unique('f')}", json=body)
    assert answer.status_code == 422, answer.text
    (reach.files / "link").unlink(missing_ok=True)
    (reach.files / "link").symlink_to(reach.server.data_dir / "foretell.db")
    body["path"] = "link"
    answer = reach.editor.put(f"/api/connections/{unique('f')}", json=body)
    assert answer.json()["type"].endswith("/connection-file-forbidden")


def test_a_closed_address_is_refused_at_once(reach: Reach):
    body = {"kind": "postgresql", "host": "169.254.169.254", "database": "d"}
    answer = reach.editor.put(f"/api/connections/{unique('f')}", json=body)
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/connection-address-forbidden")


def test_a_dead_port_is_told_and_a_kept_password_goes_nowhere_else(reach: Reach):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"/api/connections/{unique('dead')}"
    body = {"kind": "postgresql", "host": "127.0.0.1", "port": port}
    body |= {"database": "d", "username": "u", "password": CANARY}
    assert reach.editor.put(path, json=body).status_code == 201
    tried = reach.editor.post(f"{path}/test").json()
    assert (tried["ok"], tried["code"]) == (False, "unreachable")
    del body["password"]
    kept = reach.editor.put(path, json=body | {"database": "e"})
    assert kept.json()["has_password"] is True
    for change in ({"port": port - 1}, {"username": "v"}, {"kind": "mysql"}):
        answer = reach.editor.put(path, json=body | change)
        assert answer.json()["errors"][0]["pointer"] == "/password", answer.text


def test_a_secret_is_nowhere_to_be_found(reach: Reach):
    """Not in answers, logs, job arguments, the audit log, the database or its log."""
    editor, name = reach.editor, unique("canary")
    dataset = unique("canary")
    assert upload(editor, dataset, "a\n1\n").status_code == 201
    url = f"postgresql://root:{CANARY}@127.0.0.1:1/test"
    path = f"/api/connections/{name}"
    said = [editor.put(path, json={"url": url})]
    said += [editor.put(path, json={"url": url, "kind": "mysql"})]
    said += [editor.put(path, json={"kind": "x", "password": CANARY, "port": "y"})]
    said += [editor.put(path, json={"kind": 1, "password": [CANARY]})]
    said += [editor.get(path), editor.get("/api/connections")]
    said += [editor.post(f"{path}/test"), editor.get(f"{path}/tables")]
    source = {"connection": name, "table": "t"}
    body = {"name": unique("canary"), "source": source}
    said += [editor.post("/api/datasets", json=body)]
    export = {"connection": name, "table": "t"}
    said += [editor.post(f"/api/datasets/{dataset}/export", json=export)]
    assert [answer.status_code for answer in said[-2:]] == [202, 202]
    for job in said[-2:]:
        id_ = job.json()["id"]
        said += [editor.post(f"/api/jobs/{id_}/cancel"), editor.get(f"/api/jobs/{id_}")]
        said += [editor.get(f"/api/jobs/{id_}/log")]
    said += [reach.admin.get("/api/audit?limit=1000"), editor.get("/metrics")]
    assert not [a.request.url for a in said if CANARY in a.text]
    assert CANARY not in reach.server.log.read_text()
    for file in reach.server.data_dir.rglob("*"):
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file.name
    with closing(sqlite3.connect(reach.server.data_dir / "foretell.db")) as database:
        dump = "\n".join(database.iterdump())
    assert name in dump
    assert CANARY not in dump


def test_the_old_secret_is_let_go_by_a_job(reach: Reach):
    done = reach.admin.post(
        "/api/jobs", json={"task": "connections.reseal", "args": {}}, headers=WAIT
    )
    assert done.json()["result"]["lost"] == 0, done.text
    refused = reach.editor.post(
        "/api/jobs", json={"task": "connections.reseal", "args": {}}
    )
    assert refused.status_code == 403
