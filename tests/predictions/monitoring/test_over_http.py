"""Monitoring as a user sees it, in one process."""

import asyncio
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import entropy

from foretell.predictions.monitoring.recording import PredictionLog
from tests.models.application import IRIS, ROW, Running, Trained
from tests.predictions.test_serving import stream

PATH = "/api/models/iris/monitoring"
PREDICT = "/api/models/iris/predict"


async def monitoring(running: Running, **query: Any) -> dict[str, Any]:
    answer = await running.client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_calls_errors_and_latency_are_counted(
    running: Running, logreg: Trained
) -> None:
    await running.publish("iris", logreg)
    empty = await monitoring(running)
    assert (empty["calls"], empty["errors"]) == (0, 0)
    assert empty["latency_ms"]["p50"] is None
    for rows in ([ROW], [ROW, ROW], [{**ROW, "petal width (cm)": "wide"}]):
        await running.client.post(PREDICT, json={"rows": rows})
    await running.client.post("/api/predict", json={"rows": [ROW]})
    found = await monitoring(running)
    assert (found["calls"], found["errors"], found["rows"]) == (4, 1, 4)
    assert found["errors_by_problem"] == {"rows-invalid": 1}
    latency = found["latency_ms"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
    assert sum(latency["histogram"]["counts"]) == 3
    assert found["versions"] == [{"version": 1, "calls": 4, "errors": 1, "rows": 4}]
    assert [day["calls"] for day in found["days"]] == [4]


async def test_drift_is_that_of_scipy_over_the_bins_of_the_example(
    running: Running, logreg: Trained
) -> None:
    await running.publish("iris", logreg)
    example = IRIS.data.iloc[::5]
    sent = IRIS.data[IRIS.data["petal width (cm)"] > 1]
    body = {"columns": list(sent.columns), "data": sent.to_numpy().tolist()}
    await running.client.post(PREDICT, json=body)
    found = await monitoring(running)
    assert [one["name"] for one in found["drift"]] == list(ROW)
    for one in found["drift"]:
        edges = np.unique(np.sort(example[one["name"]])[2:27:3])  # every tenth of 30
        counts = [
            np.bincount(
                np.searchsorted(edges, frame[one["name"]], side="left"),
                minlength=len(edges) + 1,
            )
            for frame in (example, sent)
        ]
        assert [each["expected"] for each in one["bins"]] == [*counts[0], 0]
        assert [each["count"] for each in one["bins"]] == [*counts[1], 0]
        used = (counts[0] + counts[1]) > 0
        expected, actual = (np.where(each, each, 0.5)[used] for each in counts)
        e, a = expected / len(example), actual / len(sent)
        assert one["psi"] == pytest.approx(np.sum((a - e) * np.log(a / e)), abs=1e-6)
        if counts[0][used].all() and counts[1][used].all():
            assert one["psi"] == pytest.approx(entropy(a, e) + entropy(e, a), abs=1e-6)
        assert (one["rows"], one["reference_rows"]) == (len(sent), len(example))
    assert found["drift"][3]["level"] == "major"


async def test_predictions_are_counted_by_class(
    running: Running, logreg: Trained
) -> None:
    await running.publish("iris", logreg)
    body = {"rows": IRIS.data.iloc[:20].to_dict("records")}
    await running.client.post(PREDICT, json=body)
    (prediction,) = (await monitoring(running))["predictions"]
    counts = {each["value"]: each["count"] for each in prediction["bins"]}
    assert counts["setosa"] == 20
    assert {each["value"]: each["expected"] for each in prediction["bins"]}[
        "setosa"
    ] == 10
    assert prediction["level"] == "major"


async def test_every_door_is_counted_and_every_form_seen(
    running: Running, logreg: Trained
) -> None:
    await running.publish("iris", logreg)
    values = list(ROW.values())
    tensor = {"name": "input", "shape": [1, 4], "datatype": "FP64", "data": values}
    calls = (
        (PREDICT, {"rows": [ROW]}),
        (PREDICT, {"features": list(ROW.values())}),
        ("/api/predict", {"model": "iris", "rows": [ROW]}),
        ("/v2/models/iris/infer", {"inputs": [tensor]}),
    )
    for door in range(2):
        if door:  # FastAPI's own way
            running.app.dependency_overrides[stream] = lambda: None
        for path, body in calls:
            answer = await running.client.post(path, json=body)
            assert answer.status_code == 200, answer.text
    found = await monitoring(running)
    assert (found["calls"], found["rows"]) == (8, 8)
    assert {one["rows"] for one in found["drift"]} == {8}


async def test_an_arrow_stream_counts_but_its_rows_are_not_seen(
    running: Running, logreg: Trained
) -> None:
    await running.publish("iris", logreg)
    headers = {"content-type": "application/vnd.apache.arrow.stream"}
    content = stream(IRIS.data[:5])
    assert pa.ipc.open_stream(content).read_all().num_rows == 5
    answer = await running.client.post(PREDICT, content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    found = await monitoring(running)
    assert (found["calls"], found["rows"]) == (1, 5)
    assert {one["rows"] for one in found["drift"]} == {0}
    assert found["predictions"][0]["rows"] == 5
    assert any("0 of 5 rows" in note for note in found["notes"])


async def test_a_regression_in_the_host_is_watched_too(
    running: Running, neighbours: Trained
) -> None:
    await running.publish("iris", neighbours)
    body = {"rows": IRIS.data.iloc[::10].to_dict("records")}
    await running.client.post(PREDICT, json=body)
    found = await monitoring(running)
    (prediction,) = found["predictions"]
    assert (prediction["type"], prediction["rows"]) == ("number", 15)
    assert prediction["reference_rows"] == 30
    assert {one["rows"] for one in found["drift"]} == {15}


async def test_versions_are_apart_and_the_default_is_shown(
    running: Running, logreg: Trained, neighbours: Trained
) -> None:
    await running.publish("iris", logreg)
    await running.publish("iris", neighbours)
    for version, times in ((1, 2), (2, 3)):
        for _ in range(times):
            await running.client.post(
                f"{PREDICT}?version={version}", json={"rows": [ROW]}
            )
    assert (await monitoring(running))["version"] == 2
    assert (await monitoring(running))["calls"] == 3
    first = await monitoring(running, version="1")
    assert first["calls"] == 2
    assert [(v["version"], v["calls"]) for v in first["versions"]] == [(1, 2), (2, 3)]
    await running.client.put("/api/models/iris/aliases/best", json={"version": 1})
    assert (await monitoring(running, version="best"))["calls"] == 2


async def test_who_may_not_see_the_model_sees_no_figures(
    running: Running, logreg: Trained
) -> None:
    await running.publish("iris", logreg)
    await running.client.post(PREDICT, json={"rows": [ROW]})
    assert (await running.other.get(PATH)).status_code == 404
    for scopes, status in (
        (["models:predict"], 403),
        (["models:read:other"], 403),
        (["models:read:iris"], 200),
    ):
        async with await running.client_with(scopes) as narrow:
            assert (await narrow.get(PATH)).status_code == status, scopes
    await running.client.patch("/api/models/iris", json={"visibility": "everyone"})
    assert (await running.other.get(PATH)).status_code == 200


async def test_no_value_of_a_row_is_kept(running: Running, logreg: Trained) -> None:
    await running.publish("iris", logreg)
    canary = 4321.0625
    await running.client.post(
        PREDICT, json={"rows": [{**ROW, "petal width (cm)": canary}]}
    )
    answer = await running.client.get(PATH)
    assert answer.json()["drift"][3]["bins"][-2]["count"] == 1
    assert "4321" not in answer.text
    assert "4321" not in (
        running.state.settings.data_dir / "foretell.db"
    ).read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ({"from": "2026-11-30", "to": "2026-11-01"}, 422, "/from"),
        ({"from": "2020-01-01", "to": "2026-11-01"}, 422, "/from"),
        ({"from": "yesterday"}, 422, "/query/from"),
        ({"to": "2026-13-01"}, 422, "/query/to"),
        ({"to": "20"}, 422, "/query/to"),
        ({"version": "9"}, 404, None),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    running: Running,
    logreg: Trained,
    query: dict[str, str],
    status: int,
    pointer: str | None,
) -> None:
    await running.publish("iris", logreg)
    answer = await running.client.get(PATH, params=query)
    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_window_is_days_or_moments(running: Running, logreg: Trained) -> None:
    await running.publish("iris", logreg)
    await running.client.post(PREDICT, json={"rows": [ROW]})
    found = await monitoring(running, **{"from": "2026-01-01", "to": "2026-01-31"})
    assert (found["from"], found["to"], found["calls"]) == (
        "2026-01-01",
        "2026-01-31",
        0,
    )
    found = await monitoring(running, **{"to": "2026-01-31T23:30:00-02:00"})
    assert (found["from"], found["to"]) == ("2026-01-26", "2026-02-01")


async def test_figures_of_another_process_are_two_seconds_old_at_most(
    running: Running, logreg: Trained
) -> None:
    await running.publish("iris", logreg)
    await running.client.post(PREDICT, json={"rows": [ROW]})
    log = running.state.port(PredictionLog)
    async with asyncio.timeout(2):
        while not all(one.is_stored for one in log._segments.values()) or (
            not log._segments
        ):
            await asyncio.sleep(0.01)
