"""K01-K08, K13: bytes that two readers could understand in two ways, and who is asked.

The list stands in docs/explanation/edge.md.
"""

import json

import pytest

from tests.security.edge.raw import HEAD, Heard, request, say
from tests.served import Server

SMUGGLED = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /token HTTP/1.1"


def refused(heard: Heard, *statuses: int) -> None:
    """One problem, and the rest of the bytes are nobody's request."""
    assert heard.is_closed
    assert len(heard.answers) == 1
    answer = heard.answers[0]
    assert answer.status in statuses
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert json.loads(answer.body)["status"] == answer.status


def with_headers(*lines: bytes) -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines)


CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "headers",
    [
        with_headers(b"Content-Length: 5", CHUNKED),
        with_headers(CHUNKED, b"Content-Length: 5"),
        with_headers(CHUNKED, b"Content-Length: 0"),
        with_headers(b"Content-Length: 44", b"transfer-ENCODING: Chunked"),
    ],
)
def test_k01_a_length_and_chunks_together_are_refused(server: Server, headers: bytes):
    body = b"0\r\n\r\n" + SMUGGLED
    refused(say(server.url, request(POST, headers, body)), 400)


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5", b"Content-Length: 5"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: +5",),
        (b"Content-Length: -1",),
        (b"Content-Length: 0x5",),
        (b"Content-Length: 5 5",),
        (b"Content-Length: five",),
        (b"Content-Length: 99999999999999999999999",),
        (b"Content-Length:",),
    ],
)
def test_k02_a_length_is_one_number(server: Server, lines: tuple[bytes, ...]):
    sent = request(POST, with_headers(*lines), b"a=b&c" + SMUGGLED)
    refused(say(server.url, sent), 400)


@pytest.mark.parametrize(
    "lines",
    [
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding: xchunked",),
        (b"Transfer-Encoding: chunked, identity",),
        (b"Transfer-Encoding: chunked, chunked",),
        (CHUNKED, CHUNKED),
        (CHUNKED, b"Transfer-Encoding: identity"),
        (b"Transfer-Encoding: \x0bchunked",),
        (b'Transfer-Encoding: "chunked"',),
        (b"Transfer-Encoding:",),
    ],
)
def test_k03_the_only_transfer_encoding_is_chunked(
    server: Server, lines: tuple[bytes, ...]
):
    body = b"0\r\n\r\n" + SMUGGLED
    refused(say(server.url, request(POST, with_headers(*lines), body)), 400, 501)


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\na=b&c0\r\n\r\n",
        b"zz\r\na=b\r\n0\r\n\r\n",
        b"-3\r\na=b\r\n0\r\n\r\n",
        b"3\na=b\r\n0\r\n\r\n",
        b"3\r\na=b\n0\r\n\r\n",
        b"fffffffffffffffff\r\na=b\r\n0\r\n\r\n",
        b"3 \r\na=b\r\n0\r\n\r\n",
    ],
)
def test_k04_a_damaged_chunk_ends_the_connection(server: Server, body: bytes):
    sent = request(POST, with_headers(CHUNKED), body + SMUGGLED)
    refused(say(server.url, sent), 400)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b\rc\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b\x00c\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n X-A: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX A: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: b\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_k05_lines_end_in_one_way_and_names_hold_no_blanks(server: Server, sent: bytes):
    refused(say(server.url, sent + SMUGGLED), 400)


@pytest.mark.parametrize("fold", [b" more", b"\tmore", b" Host: evil.example"])
def test_k06_a_header_goes_on_in_no_second_line(server: Server, fold: bytes):
    headers = HEAD + b"X-A: b\r\n" + fold + b"\r\n"
    refused(say(server.url, request(headers=headers)), 400)


def test_k07_a_request_of_http_1_0_has_no_chunks(server: Server):
    sent = request(b"POST /token HTTP/1.0", with_headers(CHUNKED), b"0\r\n\r\n")
    refused(say(server.url, sent + SMUGGLED), 400)


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"GET /healthz HTTP/1.1", b"", 400),
        (b"GET /healthz HTTP/1.0", b"", 400),
        (b"GET /healthz HTTP/1.1", HEAD + HEAD, 400),
        (b"GET /healthz HTTP/1.1", HEAD + b"Host: evil.example\r\n", 400),
        (b"GET /healthz HTTP/1.1", b"Host: evil.example\r\n", 421),
        (b"GET /healthz HTTP/1.1", b"Host: localhost.evil.example\r\n", 421),
        (b"GET /healthz HTTP/1.1", b"Host: evil.example@localhost\r\n", 421),
        (b"GET /healthz HTTP/1.1", b"Host: localhost, evil.example\r\n", 421),
        (b"GET /healthz HTTP/1.1", b"Host: localhost:80:90\r\n", 421),
        (b"GET /healthz HTTP/1.1", b"Host:\r\n", 421),
        (b"GET http://evil.example/healthz HTTP/1.1", HEAD, 400),
        (b"GET http://localhost@evil.example/healthz HTTP/1.1", HEAD, 400),
        (b"GET http://localhost/healthz HTTP/1.1", HEAD, 200),
        (b"GET /healthz HTTP/1.1", b"Host: LOCALHOST:8000\r\n", 200),
    ],
)
def test_k08_a_request_names_one_host_that_is_ours(
    server: Server, line: bytes, headers: bytes, status: int
):
    heard = say(server.url, request(line, headers + b"Connection: close\r\n"))
    assert heard.statuses == [status]


@pytest.mark.parametrize(
    ("line", "statuses"),
    [
        (b"TRACE /healthz HTTP/1.1", {405}),
        (b"CONNECT localhost:22 HTTP/1.1", {405}),
        (b"CONNECT /healthz HTTP/1.1", {405, 400}),
        (b"PROPFIND /healthz HTTP/1.1", {405}),
        (b"get /healthz HTTP/1.1", {400}),
        (b"ANYTHING /healthz HTTP/1.1", {400, 405}),
        (b"DELETE /healthz HTTP/1.1", {405}),
    ],
)
def test_k13_other_methods_are_refused_and_none_is_overridden(
    server: Server, line: bytes, statuses: set[int]
):
    heard = say(server.url, request(line, HEAD + b"Connection: close\r\n"))
    assert len(heard.answers) == 1
    assert heard.answers[0].status in statuses
    for name in (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override"):
        override = HEAD + name + b": DELETE\r\nConnection: close\r\n"
        assert say(server.url, request(headers=override)).statuses == [200]
