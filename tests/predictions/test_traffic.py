"""Calls that name no version, split between versions and scored by shadows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from foretell.http.metrics import Metrics
from foretell.predictions.service import Predictions
from tests.models.application import ROW, Running, Trained

ONE, ANY = "/api/models/iris/predict", "/api/predict"
INFER = "/v2/models/iris/infer"
TRAFFIC = "/api/models/iris/traffic"
TENSOR = {
    "name": "input",
    "shape": [1, 4],
    "datatype": "FP64",
    "data": list(ROW.values()),
}


@pytest.fixture
async def published(
    running: Running, logreg: Trained, forest: Trained
) -> AsyncIterator[Running]:
    """Versions 1 and 3 of one kind, 2 of another."""
    for trained in (logreg, forest, logreg):
        await running.publish("iris", trained)
    yield running
    await running.state.port(Predictions).shadows.close()


async def put(running: Running, **body: Any) -> dict[str, Any]:
    answer = await running.client.put(TRAFFIC, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def route(version: int | str, weight: int) -> dict[str, Any]:
    return {"version": version, "weight": weight}


async def version_of(running: Running, path: str = ONE, **headers: str) -> int:
    body = {"inputs": [TENSOR]} if path == INFER else {"rows": [ROW]}
    answer = await running.client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return int(found["model_version"] if path == INFER else found["version"])


async def test_calls_are_split_and_keys_stick(published: Running) -> None:
    model = await put(published, routes=[route(1, 50), route(2, 50)])
    assert model["traffic"] == {"routes": [route(1, 50), route(2, 50)], "shadow": []}
    met = Counter([await version_of(published) for _ in range(60)])
    assert set(met) == {1, 2}
    for key in ("ann", "ben", "cid", "dee"):
        headers = {"X-Routing-Key": key}
        found = {
            await version_of(published, path, **headers)
            for path in (ONE, ANY, INFER)
            for _ in range(3)
        }
        assert len(found) == 1, key


async def test_who_names_a_version_gets_it(published: Running) -> None:
    await put(published, routes=[route("latest", 1)])
    assert await version_of(published) == 3
    assert await version_of(published, f"{ONE}?version=1") == 1
    assert await version_of(published, f"{ONE}?version=latest") == 3


async def test_rollback_is_one_call(published: Running) -> None:
    await put(published, routes=[route(2, 1)])
    assert await version_of(published) == 2
    model = await put(published, routes=[])
    assert model["traffic"] is None
    assert await version_of(published) == 3


async def test_a_split_moves_under_load_and_refuses_nobody(published: Running) -> None:
    stop = asyncio.Event()
    met: Counter[int] = Counter()

    async def call() -> None:
        while not stop.is_set():
            met[await version_of(published)] += 1

    callers = [asyncio.create_task(call()) for _ in range(64)]
    for routes in ([route(1, 1)], [route(2, 1)], [route(1, 1), route(2, 9)]):
        await put(published, routes=routes)
        await asyncio.sleep(0)
    stop.set()
    await asyncio.gather(*callers)
    assert set(met) <= {1, 2, 3}
    assert met[2]


async def test_shadows_score_what_others_answer(published: Running) -> None:
    await put(published, routes=[route(1, 1)], shadow=[3, 2])
    for path in (ONE, ANY, INFER):
        assert await version_of(published, path) == 1
    # Who names a version is no part of the split.
    await version_of(published, f"{ONE}?version=1")
    text = await until_scored(published, calls=6)
    # Version 2 has numbers for classes, so every answer of it is another one.
    for version, different in ((2, 3), (3, 0)):
        label = f'{{model="iris",version="{version}"}}'
        assert f"foretell_shadow_rows_total{label} 3.0" in text
        assert f"foretell_shadow_differences_total{label} {different}.0" in text
        assert f"foretell_predictions_total{label} 1.0" not in text


@pytest.mark.parametrize("output", ["prediction", "probabilities"])
async def test_shadows_score_what_is_answered_with_an_array(
    published: Running, output: str
) -> None:
    await put(published, routes=[route(1, 1)], shadow=[3, 2])
    accept = {"accept": f"application/x-npy; output={output}"}
    body = {"rows": [ROW, ROW]}
    answer = await published.client.post(ONE, json=body, headers=accept)
    assert answer.headers["x-model-version"] == "1"
    text = await until_scored(published, calls=4)
    # Their classes have other names, but the same place.
    for version, different in ((2, 2 * (output == "prediction")), (3, 0)):
        label = f'{{model="iris",version="{version}"}}'
        assert f"foretell_shadow_rows_total{label} 2.0" in text
        assert f"foretell_shadow_differences_total{label} {different}.0" in text


async def until_scored(running: Running, *, calls: int) -> str:
    async with asyncio.timeout(30):
        return await _until_scored(running, calls)


async def _until_scored(running: Running, calls: int) -> str:
    while True:
        text = running.state.port(Metrics).render().decode()
        scored = [
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("foretell_shadow_rows_total")
        ]
        if sum(scored) >= calls:
            return text
        await asyncio.sleep(0.01)


async def test_a_version_is_no_shadow_of_itself(published: Running) -> None:
    await put(published, routes=[route(1, 1)], shadow=[1, 2])
    assert await version_of(published) == 1
    text = await until_scored(published, calls=1)
    assert 'foretell_shadow_rows_total{model="iris",version="2"} 1.0' in text
    assert 'foretell_shadow_rows_total{model="iris",version="1"}' not in text


async def test_a_shadow_that_cannot_keep_up_leaves_calls_out(
    published: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretell.predictions.shadows.MAX_WAITING", 0)
    await put(published, shadow=[2])
    assert await version_of(published) == 3
    text = published.state.port(Metrics).render().decode()
    label = '{model="iris",reason="too many",version="2"}'
    assert f"foretell_shadow_misses_total{label} 1.0" in text


async def test_shadows_hold_so_many_bytes(
    published: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadows = published.state.port(Predictions).shadows
    monkeypatch.setattr("foretell.predictions.shadows.MAX_WAITING_BYTES", 100)
    await put(published, shadow=[2])
    assert await version_of(published) == 3
    text = published.state.port(Metrics).render().decode()
    label = '{model="iris",reason="too many",version="2"}'
    assert f"foretell_shadow_misses_total{label} 1.0" in text
    monkeypatch.undo()
    assert await version_of(published) == 3
    await until_scored(published, calls=1)
    await asyncio.sleep(0)
    assert shadows._held_bytes == 0


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"routes": [route(9, 1)]}, 404, None),
        ({"shadow": ["nobody"]}, 404, None),
        ({"routes": [route(1, 1), route(1, 2)]}, 422, "/routes/1"),
        ({"routes": [route(3, 1), route("latest", 2)]}, 422, "/routes/1"),
        ({"routes": [route(1, 0)]}, 422, "/routes"),
        ({"shadow": [1, 2, 1]}, 422, "/shadow/2"),
        ({"routes": [route(1, -1)]}, 422, "/routes/0/weight"),
        ({"routes": [{"version": 1}]}, 422, "/routes/0/weight"),
        ({"routes": [route(1, 1)], "more": 1}, 422, "/more"),
    ],
)
async def test_a_split_that_cannot_be_is_refused(
    published: Running, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    answer = await published.client.put(TRAFFIC, json=body)
    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    model = await published.client.get("/api/models/iris")
    assert model.json()["traffic"] is None


async def test_a_batch_is_scored_by_one_version(published: Running) -> None:
    await put(published, routes=[route(1, 1), route(2, 1)])
    snapshot = await published.state.port(Predictions).serving.get("iris")
    assert snapshot is not None
    assert snapshot.model.default == 3
    assert snapshot.model.asked == {1, 2}
