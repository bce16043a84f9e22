"""What every answer has, whoever asks for what."""

import pytest

ADMIN = {"Authorization": "Bearer admin"}
VIEWER = {"Authorization": "Bearer viewer"}


async def test_every_answer_has_a_request_id_and_security_headers(client):
    for path in ("/healthz", "/api/things/x", "/nowhere"):
        answer = await client.get(path)
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_given_request_id_comes_back_and_a_forged_one_does_not(client):
    kept = await client.get("/healthz", headers={"X-Request-ID": "abc-12345678"})
    assert kept.headers["x-request-id"] == "abc-12345678"
    forged = await client.get("/healthz", headers={"X-Request-ID": "a b\tc<script>"})
    assert "script" not in forged.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("DELETE", "/healthz", {}, 405),
        ("TRACE", "/healthz", {}, 405),
        ("GET", "/healthz", {"Host": "evil.example"}, 421),
        ("GET", "/healthz", {f"x-{i}": "y" for i in range(120)}, 431),
        ("GET", "/healthz", {"X-Big": "y" * 20_000}, 431),
        ("GET", "/" + "a" * 9_000, {}, 414),
    ],
)
async def test_refusals_of_the_edge_are_problems(client, method, path, headers, status):
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_fault_of_ours_says_nothing_but_the_request_id(client):
    answer = await client.get("/api/things/fault/now")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "/srv" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_listed_origin_is_answered_and_an_unlisted_one_is_refused(client):
    ask = {"Access-Control-Request-Method": "POST"}
    listed = await client.options(
        "/api/things", headers={"Origin": "https://front.example", **ask}
    )
    assert listed.headers["access-control-allow-origin"] == "https://front.example"
    other = await client.options(
        "/api/things", headers={"Origin": "https://evil.example", **ask}
    )
    assert other.status_code == 400
    assert "access-control-allow-origin" not in other.headers


async def test_readiness_names_its_parts_and_metrics_count_requests(client, app):
    assert (await client.get("/readyz")).json() == {"status": "ok", "parts": {}}
    text = (await client.get("/metrics")).text
    assert 'foretell_http_requests_total{method="GET",route="/readyz"' in text


async def test_the_documents_name_no_other_host(client):
    for path in ("/", "/docs", "/static/docs.js", "/static/status.js"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "http://" not in answer.text
        assert "https://" not in answer.text
