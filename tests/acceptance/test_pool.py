"""More requests than connections: all wait in order, and those who cannot are told."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from foretell.http.dependencies import Session
from foretell.http.routing import public, router
from tests.acceptance.conftest import first_admin
from tests.acceptance.inprocess import calling, running
from tests.served import Server

REQUESTS = 50
CANCELLED = 500
SLOW = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n "
    "WHERE x < 40000) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(0.05)",
    "mysql": "SELECT SLEEP(0.05)",
}
routes = router("/slow")


@routes.api_route("", methods=["GET", "POST"], dependencies=[public])
async def slow(session: Session) -> str:
    bind = session.get_bind()
    await session.execute(text(SLOW[bind.dialect.name]))
    return "done"


async def answers(
    method: str, url: str, tmp_path, timeout_seconds: float
) -> list[httpx2.Response]:
    async with running(
        tmp_path,
        database_url=SecretStr(url),
        database_pool_size=2,
        database_pool_timeout=timeout_seconds,
    ) as app:
        app.include_router(routes)
        async with calling(app) as client:
            found = await asyncio.gather(
                *(client.request(method, "/slow") for _ in range(REQUESTS))
            )
            metrics = await idle(client)
    refused = sum(answer.status_code == 503 for answer in found)
    counted = re.search(
        r"^foretell_database_refused_total (\d+)", metrics, re.MULTILINE
    )
    assert counted is not None
    assert int(counted[1]) >= refused
    return list(found)


async def idle(client: httpx2.AsyncClient) -> str:
    """The figures, once every connection is back; what runs beside the requests
    takes one now and then."""
    async with asyncio.timeout(15):
        while True:
            figures = (await client.get("/metrics")).text
            if 'connections{state="checked_out"} 0.0' in figures:
                assert "foretell_database_waiting 0.0" in figures
                return figures
            await asyncio.sleep(0.01)  # nothing in one process makes us wait


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_fifty_slow_requests_pass_through_a_pool_of_two(
    method, database_url, tmp_path
):
    found = await answers(method, database_url, tmp_path, 30)
    assert [answer.status_code for answer in found] == [200] * REQUESTS


async def test_who_cannot_be_served_in_time_is_told_when_to_come_back(
    database_url, tmp_path
):
    started = time.monotonic()
    found = await answers("GET", database_url, tmp_path, 0.2)
    assert time.monotonic() - started < 10
    statuses = Counter(answer.status_code for answer in found)
    assert set(statuses) == {200, 503}
    for answer in found:
        if answer.status_code == 503:
            assert answer.json()["type"].endswith("/database-busy")
            assert answer.headers["retry-after"] == "1"


@pytest.fixture
def small_server(database_url: str, tmp_path) -> Iterator[Server]:
    server = Server(
        tmp_path / "data", database_url=database_url, database_pool_size="2"
    )
    with server.start("--no-worker").running():
        yield server


async def call(server: Server, key: str, number: int, goes_away: bool) -> bytes:
    """Send one request on a connection of its own; the status line of its answer."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"task": "system.echo", "args": {"value": 1}}'
    path = b"GET /api/jobs" if number % 4 < 2 else b"POST /api/jobs"
    writer.write(
        path + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        b"%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (key.encode(), len(body))
        + body
    )
    await writer.drain()
    if goes_away:
        await asyncio.sleep(number % 7 / 1000)
        writer.transport.abort()
        return b""
    line = await reader.readline()
    writer.close()
    return line


@pytest.mark.slow
async def test_a_thousand_requests_of_which_half_go_away_leave_nothing_behind(
    small_server,
):
    key = first_admin(small_server)
    lines: Counter[bytes] = Counter()
    for start in range(0, 2 * CANCELLED, 50):
        calls = [
            call(small_server, key, number, bool(number % 2))
            for number in range(start, start + 50)
        ]
        lines.update(await asyncio.gather(*calls))
    assert lines[b"HTTP/1.1 200 OK\r\n"] + lines[b"HTTP/1.1 202 Accepted\r\n"] == 500
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=small_server.url, headers=headers) as client:
        assert not re.search(r'status="5\d\d"', await idle(client))
        assert (await client.get("/api/jobs")).status_code == 200
    log = small_server.log.read_text("utf-8")
    assert "unexpected_error" not in log
    assert "Traceback" not in log
