"""The same requests get the same bytes on every database and by every path.

Keys are named by the caller and the clock stands still, so whole answers compare.
"""

from typing import Any

import pytest
import pytest_asyncio

from tests.resources.application import Served, served

pytestmark = pytest.mark.asyncio(loop_scope="session")

ITEMS: list[dict[str, Any]] = [
    {"id": "a", "i": 1, "s": "Zürich", "p": "1.5", "x": 3.0, "b": True},
    {"id": "b", "i": 2, "s": "zürich", "p": "-0.0001", "x": 1e22, "d": "2024-02-29"},
    {"id": "c", "i": 2, "s": "\U0001f600", "t": "2024-02-29T12:00:00+01:00"},
    {"id": "d", "s": "\ufb01 \u2028", "tags": {"k": [1, 1.0, None, "é"]}, "c": "01:02"},
    {"id": "e", "e": "red", "u": "01939f2c-7d1e-7c3a-9b3f-2f8d1c5e6a70", "j": -5},
]
EVERYTHING = "/api/everything"

Call = tuple[str, str, dict[str, Any]]
CALLS: list[Call] = [
    ("POST", EVERYTHING, {"json": ITEMS[0]}),
    ("POST", f"{EVERYTHING}/bulk", {"json": {"items": ITEMS[1:]}}),
    ("POST", EVERYTHING, {"json": ITEMS[0]}),
    ("POST", EVERYTHING, {"json": {"id": "f", "i": 13}}),
    ("POST", EVERYTHING, {"json": {"id": "f", "i": "x", "nope": 1}}),
    ("POST", f"{EVERYTHING}/bulk", {"json": {"items": [{"id": "g"}, {"id": "a"}]}}),
    *(("GET", f"{EVERYTHING}/{item['id']}", {}) for item in ITEMS),
    ("GET", f"{EVERYTHING}/a", {"headers": {"If-None-Match": '"a-1"'}}),
    ("GET", f"{EVERYTHING}/none", {}),
    ("GET", EVERYTHING, {}),
    ("GET", EVERYTHING, {"params": {"sort": "s,-i", "limit": 2}}),
    ("GET", EVERYTHING, {"params": {"sort": "-s", "limit": 3}}),
    ("GET", EVERYTHING, {"params": {"sort": "-p,x", "where": "i >= 1 OR i IS NULL"}}),
    ("GET", EVERYTHING, {"params": {"i": "2", "sort": "-id"}}),
    ("GET", EVERYTHING, {"params": {"where": "s LIKE 'Z%'"}}),
    ("GET", EVERYTHING, {"params": {"where": "lower(s) = 'z'"}}),
    ("GET", EVERYTHING, {"params": {"where": "nope"}}),
    ("GET", EVERYTHING, {"params": {"sort": "nope"}}),
    ("PATCH", f"{EVERYTHING}/b", {"json": {"p": 2, "s": None}}),
    ("PATCH", f"{EVERYTHING}/b", {"json": {}, "headers": {"If-Match": '"b-1"'}}),
    ("PATCH", f"{EVERYTHING}/b", {"json": {"i": 5}, "headers": {"If-Match": '"b-2"'}}),
    ("PATCH", f"{EVERYTHING}/none", {"json": {"i": 5}}),
    ("DELETE", f"{EVERYTHING}/b", {"headers": {"If-Match": '"b-1"'}}),
    ("DELETE", f"{EVERYTHING}/b", {}),
    ("DELETE", f"{EVERYTHING}/b", {}),
    ("POST", "/api/cities/bulk", {"json": {"items": [{"name": "A"}, {"name": "B"}]}}),
    ("POST", "/api/cities", {"json": {"name": "A"}}),
    ("GET", "/api/cities?expand=customers", {}),
    ("GET", "/api/cities/1?expand=nope", {}),
]
KEPT = ("etag", "location", "content-type")


async def transcript(running: Served) -> list[tuple[Any, ...]]:
    """What every call is answered."""
    found: list[tuple[Any, ...]] = []
    for method, path, options in CALLS:
        sent = {"X-Request-ID": "conformance", **options.get("headers", {})}
        rest = {name: value for name, value in options.items() if name != "headers"}
        answer = await running.ann.request(method, path, headers=sent, **rest)
        headers = {name: answer.headers.get(name) for name in KEPT}
        # A cursor is signed with the server's own secret.
        assert answer.status_code < 500, answer.text
        body = answer.content
        if answer.headers.get("link"):
            page = answer.json()
            body, headers["etag"] = str(page["items"]).encode(), None
        found.append((method, path, answer.status_code, headers, body))
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def wanted(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What the portable path answers on SQLite."""
    folder = tmp_path_factory.mktemp("reference")
    async with served(folder, f"sqlite+aiosqlite:///{folder / 'r.db'}") as reference:
        return await transcript(reference)


async def test_answers_are_the_same_bytes_everywhere(
    resources: Served, wanted: list[tuple[Any, ...]]
) -> None:
    found = await transcript(resources)
    for one, other in zip(found, wanted, strict=True):
        assert one == other
