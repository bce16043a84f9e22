"""Swap, rollback and split of a served model while 64 connections ask it.

`TEST_SWAP_ROUNDS=100` runs longer; CI runs a slice.
"""

import asyncio
import io
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from tests.conftest import Callers
from tests.models.application import IRIS, ROW, dump
from tests.served import unique

CONNECTIONS = 64
ROUNDS = int(os.environ.get("TEST_SWAP_ROUNDS", "5"))
KEYS = [f"key-{number}" for number in range(CONNECTIONS)]
TENSOR = {"name": "input", "shape": [1, 4], "datatype": "FP64"}
ARRAY = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
PLACES = [("linear", "auto"), ("again", "auto"), ("in the host", "native")]


@dataclass
class Met:
    """What the callers met.

    Attributes:
        calls: Answered, of each connection.
        by_key: The versions that each routing key got since the last change.
    """

    calls: Counter[str] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    by_key: dict[str, set[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@pytest.fixture
def model(callers: Callers) -> str:
    """A model whose version N answers N: twice by numbers here, once in the host."""
    name = unique("swap")
    for number, (_, engine) in enumerate(PLACES, 1):
        constant = LinearRegression().fit(IRIS.data, IRIS.target)
        constant.coef_, constant.intercept_ = np.zeros(4), float(number)
        answer = callers.editor.post(
            f"/api/models/{name}/versions",
            files={"artifact": ("m.joblib", dump(constant))},
            data={"metadata": json.dumps({"engine": engine})},
            headers={"Prefer": "wait=55"},
        )
        assert answer.json().get("version") == number, answer.text
    return name


@pytest.mark.slow
async def test_64_connections_meet_no_error_and_the_version_they_are_told(
    callers: Callers, model: str
) -> None:
    met, is_over = Met(), asyncio.Event()
    limits = httpx2.Limits(max_connections=CONNECTIONS + 1)
    headers = dict(callers.editor.headers)
    async with httpx2.AsyncClient(
        base_url=callers.server.url, headers=headers, timeout=60, limits=limits
    ) as client:

        async def keep_asking(number: int) -> None:
            ask = (by_json, by_tensor, by_array)[number % 3]
            while not is_over.is_set():
                await _count(met, ask, client, model, KEYS[number])

        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                group.create_task(keep_asking(number))
            try:
                for _ in range(ROUNDS):
                    await swap_and_roll_back(client, model, met)
                    await split(client, model, met)
            finally:
                is_over.set()
    assert met.faults == []
    assert set(met.versions) == {1, 2, 3}
    # Ten changes a round, and two calls of each at least between them.
    assert met.calls.total() >= ROUNDS * 10 * 2 * CONNECTIONS


async def swap_and_roll_back(client: httpx2.AsyncClient, model: str, met: Met) -> None:
    for version in (1, 2, 3, 1):
        moved = await client.put(
            f"/api/models/{model}/aliases/champion", json={"version": version}
        )
        assert moved.status_code == 200, moved.text
        # Who has moved it meets the new version at once.
        assert (await by_json(client, model, "mover"))[0] == version
        await calls(met)


async def split(client: httpx2.AsyncClient, model: str, met: Met) -> None:
    for weights in ({1: 1, 2: 1}, {2: 9, 3: 1}, {}):
        routes = [{"version": v, "weight": w} for v, w in weights.items()]
        put = await client.put(
            f"/api/models/{model}/traffic", json={"routes": routes, "shadow": []}
        )
        assert put.status_code == 200, put.text
        await calls(met)  # those that were on their way
        met.by_key.clear()
        before = Counter(met.versions)
        await calls(met)
        found = {v for v, count in (met.versions - before).items() if count}
        assert found <= set(weights or {1: 1}), (found, weights)
        assert all(len(versions) == 1 for versions in met.by_key.values())


async def calls(met: Met) -> None:
    """Return when every connection has asked, and been answered, once since."""
    before = Counter(met.calls)
    async with asyncio.timeout(60):
        while any(met.calls[key] < before[key] + 2 for key in KEYS):
            await asyncio.sleep(0.005)


Asked = tuple[int, float]
Ask = Callable[[httpx2.AsyncClient, str, str], Awaitable[Asked]]


async def _count(
    met: Met, ask: Ask, client: httpx2.AsyncClient, model: str, key: str
) -> None:
    try:
        version, prediction = await ask(client, model, key)
    except (AssertionError, httpx2.HTTPError) as error:
        met.faults.append(repr(error))
        version = prediction = 0
    if version != prediction:
        met.faults.append(f"version {version} answered {prediction}")
    met.calls[key] += 1
    met.versions[version] += 1
    met.by_key.setdefault(key, set()).add(version)


async def by_json(client: httpx2.AsyncClient, model: str, key: str) -> Asked:
    found = await _asked(
        client, f"/api/models/{model}/predict", key, json={"rows": [ROW]}
    )
    body = found.json()
    return body["version"], body["predictions"][0]["prediction"]


async def by_tensor(client: httpx2.AsyncClient, model: str, key: str) -> Asked:
    one = {**TENSOR, "data": list(ROW.values())}
    path = f"/v2/models/{model}/infer"
    body = (await _asked(client, path, key, json={"inputs": [one]})).json()
    return int(body["model_version"]), body["outputs"][0]["data"][0]


async def by_array(client: httpx2.AsyncClient, model: str, key: str) -> Asked:
    content = io.BytesIO()
    np.save(content, np.array([list(ROW.values())]))
    path = f"/api/models/{model}/predict"
    found = await _asked(client, path, key, content=content.getvalue(), headers=ARRAY)
    version = int(found.headers["x-model-version"])
    return version, float(np.load(io.BytesIO(found.content))[0])


async def _asked(
    client: httpx2.AsyncClient, path: str, key: str, **how: Any
) -> httpx2.Response:
    headers = {**how.pop("headers", {}), "X-Routing-Key": key}
    answer = await client.post(path, headers=headers, **how)
    assert answer.status_code == 200, answer.text
    return answer
