"""K09-K12, K21-K23: how much, how fast and how many.

The list stands in docs/explanation/edge.md.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx2
import pytest
from starlette.responses import StreamingResponse

from foretell import public
from foretell.extension.definition import Extension
from foretell.settings import Settings
from tests.security.edge.conftest import Hasty, serving, wait_for
from tests.security.edge.raw import HEAD, connected, drip, listen, request, say
from tests.served import Server

POST = b"POST /token HTTP/1.1"
FORM = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\n"
NAMED = b"X-%d: y\r\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"".join(NAMED % n for n in range(90)), 200),
        (b"".join(NAMED % n for n in range(120)), 431),
        (b"X-Big: " + b"y" * 15_000 + b"\r\n", 200),
        (b"X-Big: " + b"y" * 17_000 + b"\r\n", 431),
        (b"Cookie: " + b"a=b; " * 8_000 + b"\r\n", 431),
    ],
)
def test_k09_headers_have_a_number_and_a_size(
    server: Server, headers: bytes, status: int
):
    sent = request(headers=HEAD + headers + b"Connection: close\r\n")
    assert say(server.url, sent).statuses == [status]


def test_k09_a_head_without_end_is_not_collected(server: Server):
    with connected(server.url) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Big: ")
        try:
            for _ in range(1_000):
                connection.sendall(b"y" * 65_536)
        except OSError:
            return  # refused and closed while it was being sent
        pytest.fail("64 MB of a header were taken")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /healthz?" + b"a" * 7_000 + b" HTTP/1.1", 200),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1", 414),
        (b"GET /api/datasets/%ff HTTP/1.1", 401),
        (b"GET /%zz HTTP/1.1", 404),
        (b"GET /%00 HTTP/1.1", 404),
        (b"GET /static/..%2f..%2fpages.py HTTP/1.1", 404),
        (b"GET /static/../../pages.py HTTP/1.1", 404),
        (b"GET /static/%2e%2e/pages.py HTTP/1.1", 404),
        (b"GET //evil.example/ HTTP/1.1", 404),
        (b"GET /\\evil.example HTTP/1.1", 404),
        (b"GET /\xff HTTP/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET healthz HTTP/1.1", 400),
    ],
)
def test_k10_an_address_is_short_and_well_formed(
    server: Server, line: bytes, status: int
):
    heard = say(server.url, request(line, HEAD + b"Connection: close\r\n"))
    assert heard.statuses == [status]


@pytest.mark.parametrize("email", ["nobody", "a@b@c.org", "a b@x.org", "@x.org", "a@"])
def test_k10_an_address_of_mail_is_one_or_422(admin: httpx2.Client, email: str):
    body = {"email": email, "password": "correct horse battery", "name": "N"}
    answer = admin.post("/api/users", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/email"


def test_k11_a_body_has_a_size_announced_or_counted(
    server: Server, admin: httpx2.Client
):
    key = admin.headers["authorization"].encode()
    headers = (
        HEAD + b"Authorization: " + key + b"\r\nContent-Type: application/json\r\n"
    )
    line = b"POST /api/jobs HTTP/1.1"
    announced = request(line, headers + b"Content-Length: 9999999\r\n")
    assert say(server.url, announced).statuses == [413]
    with connected(server.url) as connection:
        connection.sendall(request(line, headers + b"Transfer-Encoding: chunked\r\n"))
        for _ in range(20):
            connection.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        assert listen(connection, seconds=3).statuses == [413]


@pytest.fixture
def hasty(settings: Settings) -> Iterator[str]:
    with serving(settings, protocol=Hasty) as url:
        yield url


HALF = request(POST, FORM + b"Content-Length: 5000\r\n", b"grant_type=")


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", []),
        (b"\r\n", []),
        (b"GET /healthz HTTP/1.1\r\nHost: local", [408]),
        (HALF, [408]),
        (request(POST, FORM + b"Transfer-Encoding: chunked\r\n", b"5\r\na"), [408]),
        (request(), [200]),
        (request() + b"\r\n", [200]),
    ],
)
def test_k12_who_stops_in_the_middle_is_sent_away(
    hasty: str, sent: bytes, statuses: list[int]
):
    heard = say(hasty, sent, seconds=10)
    assert heard.is_closed
    assert heard.statuses == statuses


@pytest.mark.parametrize(
    ("sent", "byte", "statuses"),
    [
        (b"GET /healthz HTTP/1.1\r\nX: ", b"y", [408]),
        (HALF, b"a", [408]),
        (request(), b"\n", [200]),
    ],
)
def test_k12_who_sends_byte_by_byte_is_sent_away(
    hasty: str, sent: bytes, byte: bytes, statuses: list[int]
):
    with connected(hasty) as connection:
        connection.sendall(sent)
        heard = drip(connection, byte, seconds=10)
    assert heard.is_closed
    assert heard.statuses == statuses


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "statuses"), [(b"", []), (b"GET / HTTP", [408]), (HALF, [408])]
)
def test_k12_the_deadlines_of_a_real_server_are_some_seconds(
    server: Server, sent: bytes, statuses: list[int]
):
    heard = say(server.url, sent, seconds=16)
    assert heard.is_closed
    assert heard.statuses == statuses


def test_k21_callers_are_counted_and_told(settings: Settings):
    limited = settings.model_copy(update={"rate_limit": "3/hour"})
    with serving(limited) as url, httpx2.Client(base_url=url) as nobody:
        answers = [nobody.get("/api/version") for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit"].startswith('"caller";r=2;t=')
        assert answers[3].headers["ratelimit-policy"] == '"caller";q=3;w=3600'
        assert int(answers[3].headers["retry-after"]) > 0
        assert nobody.get("/healthz").status_code == 200


def test_k22_more_at_once_than_may_be_is_503(settings: Settings):
    few = settings.model_copy(update={"max_requests": 2})
    with serving(few) as url, httpx2.Client(base_url=url) as nobody:
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(connected(url)).sendall(HALF)
            wait_for(lambda: nobody.get("/api/version").status_code == 503)
            refused = nobody.get("/api/version")
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["type"].endswith("/overloaded")
            assert nobody.get("/healthz").status_code == 200
            assert nobody.get("/readyz").status_code == 200
        wait_for(lambda: nobody.get("/api/version").status_code == 200)


def test_k23_an_answer_that_nobody_reads_is_dropped(settings: Settings):
    endless, ended = Extension("endless"), threading.Event()

    @endless.router.get("/answer", dependencies=[public])
    async def answer() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65_536
                    await asyncio.sleep(0)  # what is cancelled has to notice
            finally:
                ended.set()

        return StreamingResponse(pieces())

    with (
        serving(settings, extensions=[endless], protocol=Hasty) as url,
        connected(url) as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(request(b"GET /api/ext/endless/answer HTTP/1.1"))
        assert ended.wait(20)


@pytest.mark.parametrize(
    "second",
    [
        request(POST, HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        b"\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    ],
)
def test_k23_answers_come_in_the_order_of_their_requests(server: Server, second: bytes):
    heard = say(server.url, request() + request() + second + request())
    assert heard.statuses[:2] == [200, 200]
    assert heard.statuses[2:] in ([], [400])
    assert heard.is_closed


def test_k23_a_body_that_breaks_off_is_no_body(server: Server, admin: httpx2.Client):
    key = admin.headers["authorization"].encode()
    headers = HEAD + b"Authorization: " + key + b"\r\nContent-Length: 2000000\r\n"
    with connected(server.url) as connection:
        line = b"POST /api/datasets?name=broken-off HTTP/1.1"
        connection.sendall(request(line, headers, b"a,b\n1,2\n" * 100))
    wait_for(lambda: admin.get("/healthz").status_code == 200)
    assert admin.get("/api/datasets/broken-off").status_code == 404
