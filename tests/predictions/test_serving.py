"""Which version answers, for whom, and from when on."""

import asyncio

import orjson
import pandas as pd
import pyarrow as pa
import pytest

from foretell.predictions.forms import ANY
from foretell.predictions.service import Predictions, Question
from tests.models.application import IRIS, ROW, Running, Trained

BODY = {"rows": [ROW]}


async def version_of(running: Running, path: str = "/api/models/iris/predict") -> int:
    answer = await running.client.post(path, json=BODY)
    assert answer.status_code == 200, answer.text
    version: int = answer.json()["version"]
    return version


async def test_answers_have_the_probability_of_each_class_by_name(running, logreg):
    await running.publish("iris", logreg)
    rows = IRIS.data.iloc[[0, 60, 140]]
    body = {"rows": rows.to_dict("records")}
    found = (await running.client.post("/api/models/iris/predict", json=body)).json()
    assert (found["model"], found["version"]) == ("iris", 1)
    expected = logreg.estimator.predict_proba(rows)
    for answer, row in zip(found["predictions"], expected, strict=True):
        assert list(answer["probabilities"]) == ["setosa", "versicolor", "virginica"]
        assert list(answer["probabilities"].values()) == pytest.approx(row, abs=1e-9)
    labels = [answer["prediction"] for answer in found["predictions"]]
    assert labels == logreg.estimator.predict(rows).tolist()


async def test_the_three_forms_of_a_body_give_the_same_answer(running, forest):
    await running.publish("iris", forest)
    names = list(ROW)[::-1]
    bodies = [
        BODY,
        {"features": list(ROW.values())},
        {"columns": names, "data": [[ROW[name] for name in names]]},
    ]
    answers = [
        (await running.client.post("/api/models/iris/predict", json=body)).content
        for body in bodies
    ]
    assert len(set(answers)) == 1


async def test_no_rows_are_no_predictions(running, forest):
    await running.publish("iris", forest)
    for path in ("/api/models/iris/predict", "/api/predict"):
        answer = await running.client.post(path, json={"rows": []})
        assert answer.json() == {"model": "iris", "version": 1, "predictions": []}


async def test_many_rows_answer_as_one_row_each_does(running, forest):
    await running.publish("iris", forest)
    rows = IRIS.data.to_dict("records") * 4
    path = "/api/models/iris/predict"
    many = (await running.client.post(path, json={"rows": rows})).json()
    for place in (0, 75, 149, 599):
        one = (await running.client.post(path, json={"rows": [rows[place]]})).json()
        assert one["predictions"] == [many["predictions"][place]]


async def test_the_next_prediction_uses_a_moved_alias(running, logreg, forest):
    await running.publish("iris", logreg)
    assert await version_of(running) == 1
    await running.publish("iris", forest)
    assert await version_of(running) == 2
    for version in (1, 2, 1):
        path = "/api/models/iris/aliases/champion"
        moved = await running.client.put(path, json={"version": version})
        assert moved.status_code == 200
        assert await version_of(running) == version
    assert await version_of(running, "/api/models/iris/predict?version=latest") == 2
    assert await version_of(running, "/api/models/iris/predict?version=champion") == 1
    assert await version_of(running, "/api/models/iris/predict?version=2") == 2


@pytest.mark.parametrize("version", ["0", "3", "-1", "01", "other", "", "1.0"])
async def test_an_unknown_version_is_not_found(running, logreg, version: str):
    await running.publish("iris", logreg)
    path = f"/api/models/iris/predict?version={version}"
    answer = await running.client.post(path, json=BODY)
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/model-version-not-found")


async def test_a_private_model_does_not_exist_for_others(running, logreg):
    await running.publish("iris", logreg)
    path = "/api/models/iris"
    assert (await running.other.post(f"{path}/predict", json=BODY)).status_code == 404
    assert (await running.other.post("/api/predict", json=BODY)).status_code == 404
    await running.client.patch(path, json={"visibility": "everyone"})
    assert (await running.other.post(f"{path}/predict", json=BODY)).status_code == 200
    await running.client.patch(path, json={"visibility": "private"})
    assert (await running.other.post(f"{path}/predict", json=BODY)).status_code == 404
    await running.client.patch(path, json={"readers": ["other@example.org"]})
    assert (await running.other.post(f"{path}/predict", json=BODY)).status_code == 200


async def test_a_deleted_model_is_gone_at_once(running, logreg):
    await running.publish("iris", logreg)
    assert await version_of(running) == 1
    assert (await running.client.delete("/api/models/iris")).status_code == 204
    path = "/api/models/iris/predict"
    assert (await running.client.post(path, json=BODY)).status_code == 404


async def test_a_key_for_one_model_answers_for_no_other(running, logreg):
    await running.publish("iris", logreg)
    await running.publish("flowers", logreg)
    async with await running.client_with(["models:predict:iris"]) as narrow:
        path = "/api/models/{}/predict"
        assert (await narrow.post(path.format("iris"), json=BODY)).status_code == 200
        refused = await narrow.post(path.format("flowers"), json=BODY)
        assert refused.status_code == 403
        assert (await narrow.post("/api/predict", json=BODY)).json()["model"] == "iris"


async def test_predict_without_a_model_takes_the_only_one(running, logreg, forest):
    assert (await running.client.post("/api/predict", json=BODY)).status_code == 404
    await running.publish("iris", logreg)
    found = (await running.client.post("/api/predict", json=BODY)).json()
    assert found["prediction"] == "setosa"
    assert found["probability"] == found["predictions"][0]["probabilities"]["setosa"]
    await running.publish("other", forest)
    refused = await running.client.post("/api/predict", json=BODY)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/model"
    named = {"model": "other", **BODY}
    found = (await running.client.post("/api/predict", json=named)).json()
    assert (found["model"], found["prediction"], found["probability"]) == (
        "other",
        0,
        1,
    )


async def test_the_figures_count_calls_and_rows(running, logreg):
    await running.publish("iris", logreg)
    await running.client.post("/api/models/iris/predict", json={"rows": [ROW, ROW]})
    text = (await running.client.get("/metrics")).text
    assert 'foretell_predictions_total{model="iris",version="1"} 1.0' in text
    assert 'foretell_prediction_rows_total{model="iris",version="1"} 2.0' in text


async def test_the_documents_know_the_features_of_visible_models(running, logreg):
    await running.publish("iris", logreg)
    mine = (await running.client.get("/openapi.json")).json()
    operation = mine["paths"]["/api/models/iris/predict"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    row = schema["oneOf"][0]["properties"]["rows"]["items"]
    assert list(row["properties"]) == list(ROW)
    theirs = (await running.other.get("/openapi.json")).json()
    assert "/api/models/iris/predict" not in theirs["paths"]


async def test_a_model_in_the_host_answers_as_the_pickle_does(
    running: Running, neighbours: Trained
):
    await running.publish("iris", neighbours)
    rows = IRIS.data.iloc[[3, 70, 120]]
    body = {"rows": rows.to_dict("records")}
    answer = await running.client.post("/api/models/iris/predict", json=body)
    found = [one["prediction"] for one in answer.json()["predictions"]]
    assert found == neighbours.estimator.predict(rows).tolist()
    wrong = {"rows": [{**ROW, "petal width (cm)": "wide"}]}
    refused = await running.client.post("/api/models/iris/predict", json=wrong)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/rows/0/petal width (cm)"


async def test_a_swap_under_load_refuses_nobody(running, logreg, forest):
    await running.publish("iris", logreg)
    await running.publish("iris", forest)
    seen: set[int] = set()
    is_over = False

    async def keep_asking() -> None:
        while not is_over:
            seen.add(await version_of(running))
            # In process a prediction never waits, so nothing else would run.
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(keep_asking())
        for version in (1, 2) * 3:
            path = "/api/models/iris/aliases/champion"
            moved = await running.client.put(path, json={"version": version})
            assert moved.status_code == 200
            assert await version_of(running) == version
        is_over = True
    assert seen == {1, 2}


def stream(frame: pd.DataFrame) -> bytes:
    """A frame as an Arrow IPC stream."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


async def test_an_arrow_stream_answers_as_json_does(running, forest):
    await running.publish("iris", forest)
    path, frame = "/api/models/iris/predict", IRIS.data
    rows = {"rows": frame.to_dict("records")}
    expected = (await running.client.post(path, json=rows)).content
    headers = {"content-type": "application/vnd.apache.arrow.stream"}
    shuffled = frame[frame.columns[::-1]]
    for door in range(2):
        if door:
            running.app.dependency_overrides[stream] = lambda: None
        answer = await running.client.post(
            path, content=stream(shuffled), headers=headers
        )
        assert answer.content == expected
    single = await running.client.post(
        "/api/predict", content=stream(frame[:1]), headers=headers
    )
    assert single.json()["prediction"] == 0


async def test_a_bad_arrow_stream_is_named(running, logreg):
    await running.publish("iris", logreg)
    headers = {"content-type": "application/vnd.apache.arrow.stream"}
    frame = IRIS.data[:3].copy()
    missing = frame.drop(columns="petal width (cm)").assign(more=1)
    text = frame.assign(**{"petal width (cm)": "wide"})
    hole = frame.astype({"petal width (cm)": "float64"})
    hole.loc[1, "petal width (cm)"] = float("nan")
    endless = hole.fillna(float("inf"))
    for content, pointers in (
        (b"nope", [""]),
        (stream(missing), ["/columns/petal width (cm)", "/columns/more"]),
        (stream(text), ["/columns/petal width (cm)"]),
        (stream(hole), ["/rows/1/petal width (cm)"]),
        (stream(endless), ["/rows/1/petal width (cm)"]),
    ):
        answer = await running.client.post(
            "/api/models/iris/predict", content=content, headers=headers
        )
        assert answer.status_code == 422, answer.text
        assert [e["pointer"] for e in answer.json()["errors"]] == pointers


async def test_the_default_model_answers_when_the_body_names_none(
    running, logreg, forest
):
    await running.publish("iris", logreg)
    await running.publish("other", forest)
    known = running.state.port(Predictions)
    chosen = Predictions(known.serving, known.shadows, "other")
    for body, name in ((BODY, "other"), ({"model": "iris", **BODY}, "iris")):
        question = Question(orjson.dumps(body), form=ANY)
        answer = (await chosen.predict_any(running.owner, question)).body
        assert orjson.loads(answer)["model"] == name
