"""K14-K20: what an answer says, to whom, and what it believes of a request.

The list stands in docs/explanation/edge.md.
"""

import re
from pathlib import Path

import httpx2
import pytest

from foretell.settings import Settings
from tests.security.edge.conftest import FRONT, serving
from tests.security.edge.raw import HEAD, request, say
from tests.served import Server, upload

FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=203.0.113.7;proto=https;host=evil.example",
    "X-Real-IP": "203.0.113.7",
    "X-Original-URL": "/metrics",
}
EVERY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def left(answer: httpx2.Response) -> int:
    """Requests that the caller still has, which tells who they are taken for."""
    found = re.search(r"r=(\d+)", answer.headers["ratelimit"])
    assert found
    return int(found[1])


def test_k14_forwarded_headers_of_strangers_mean_nothing(settings: Settings):
    limited = settings.model_copy(update={"rate_limit": "9/hour"})
    with serving(limited) as url, httpx2.Client(base_url=url) as nobody:
        assert left(nobody.get("/api/version")) == 8
        forged = nobody.get("/api/version", headers=FORWARDED)
        assert left(forged) == 7
        assert "strict-transport-security" not in forged.headers
        assert "evil" not in forged.text


def test_k14_those_of_a_named_proxy_name_the_caller_and_no_host(settings: Settings):
    named = {"rate_limit": "9/hour", "trusted_proxies": ["127.0.0.1"]}
    with (
        serving(settings.model_copy(update=named)) as url,
        httpx2.Client(base_url=url) as proxy,
    ):
        assert left(proxy.get("/api/version")) == 8
        passed_on = proxy.get("/api/version", headers=FORWARDED)
        assert left(passed_on) == 8
        assert "strict-transport-security" in passed_on.headers
        # The last one is what the proxy saw; those before it are what it was told.
        chain = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        assert left(proxy.get("/api/version", headers=chain)) == 7
        linked = proxy.post("/api/password/forgot", headers=FORWARDED, json={})
        assert "evil" not in linked.text


def test_k15_every_answer_has_the_headers_that_browsers_heed(server: Server):
    with server.client() as nobody:
        answers = [
            nobody.get("/healthz"),
            nobody.get("/api/me"),
            nobody.get("/nowhere"),
            nobody.get("/docs"),
            nobody.get("/openapi.json"),
            nobody.request("TRACE", "/healthz"),
            nobody.get("/healthz", headers={"Host": "evil.example"}),
        ]
    raw = say(server.url, b"nonsense\r\n\r\n").answers[0]
    for headers in [*(a.headers for a in answers), raw.headers]:
        assert {name: headers.get(name) for name in EVERY} == EVERY
        assert "server" not in headers
        assert "x-powered-by" not in headers
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


def test_k16_answers_are_kept_by_nobody_on_the_way(
    server: Server, admin: httpx2.Client
):
    for path in ("/api/me", "/api/users", "/openapi.json", "/api/datasets/none"):
        assert admin.get(path).headers["cache-control"] == "no-store"
    assert "no-store" not in admin.get("/static/docs.js").headers["cache-control"]


def test_k17_only_who_came_by_tls_is_told_to_come_back_by_it(settings: Settings):
    proxied = settings.model_copy(update={"trusted_proxies": ["127.0.0.1"]})
    with serving(proxied) as url, httpx2.Client(base_url=url) as client:
        by_tls = {"X-Forwarded-Proto": "https"}
        answer = client.get("/healthz", headers=by_tls)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        refused = client.get("/nowhere", headers=by_tls)
        assert "strict-transport-security" in refused.headers
        assert "strict-transport-security" not in client.get("/healthz").headers


def preflight(client: httpx2.Client, origin: str, path: str) -> httpx2.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return client.options(path, headers=asked)


def test_k18_a_listed_origin_is_answered_and_no_other(server: Server):
    paths = ("/api/datasets", "/api/predict", "/token", "/healthz")
    with server.client() as browser:
        for path in paths:
            listed = preflight(browser, FRONT, path)
            assert listed.status_code == 200
            assert listed.headers["access-control-allow-origin"] == FRONT
            assert listed.headers["access-control-allow-credentials"] == "true"
            assert "POST" in listed.headers["access-control-allow-methods"]
            for origin in (
                "null",
                "https://evil.example",
                "http://front.example",
                "https://front.example.evil.example",
                "https://front.example:8443",
                "https://FRONT.example",
            ):
                other = preflight(browser, origin, path)
                assert other.status_code == 400
                assert "access-control-allow-origin" not in other.headers
                plain = browser.get("/healthz", headers={"Origin": origin})
                assert "access-control-allow-origin" not in plain.headers
        seen = browser.get("/api/me", headers={"Origin": FRONT})
        assert seen.status_code == 401
        assert seen.headers["access-control-allow-origin"] == FRONT
        assert "Origin" in seen.headers["vary"]


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet", "arrow", "xlsx"])
def test_k19_files_of_users_are_never_shown_as_pages(
    server: Server, admin: httpx2.Client, format: str
):
    name = f"page-{format}"
    page = "a\n<script>alert(1)</script>\n"
    made = upload(admin, name, page, filename='"><script>.csv')
    assert made.status_code == 201
    got = admin.get(f"/api/datasets/{name}/download", params={"format": format})
    assert got.status_code == 200
    disposition = got.headers["content-disposition"]
    assert disposition.startswith("attachment;")
    assert "<script>" not in disposition
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert "html" not in got.headers["content-type"]


STATIC = Path(__file__).parents[3] / "src/foretell/http/static"


def test_k20_pages_load_nothing_from_elsewhere_and_run_no_script_in_line(
    server: Server,
):
    with server.client() as browser:
        for path in ("/", "/docs"):
            answer = browser.get(path)
            policy = answer.headers["content-security-policy"]
            rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
            assert rules["default-src"] == "'none'"
            assert rules["script-src"] == "'self'"
            assert rules["connect-src"] == "'self'"
            assert rules["frame-ancestors"] == "'none'"
            assert rules["base-uri"] == "'none'"
            assert not re.search(r"(src|href)=\"?(https?:)?//", answer.text)
            assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text)
            assert not re.search(r"\son\w+=", answer.text)
    assert "//" not in (STATIC / "docs.js").read_text().replace("/* ", "")


def test_k20_files_of_pages_are_a_list_and_not_a_folder(server: Server):
    line = b"GET /static/swagger-ui.LICENSE HTTP/1.1"
    assert say(server.url, request(line, HEAD), seconds=1).statuses == [404]
