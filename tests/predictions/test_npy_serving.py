"""Arrays in NumPy's own format over HTTP: in, out, and beside JSON."""

import io

import numpy as np
import pytest

from foretell.predictions.versions import HOSTED_BYTES
from tests.models.application import IRIS, ROW


def as_npy(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return sink.getvalue()


NPY = {"content-type": "application/x-npy"}
PREDICT = "/api/models/iris/predict"


@pytest.mark.parametrize("name", ["logreg", "forest", "neighbours"])
async def test_an_array_answers_as_json_does_to_the_bit(running, request, name):
    trained = request.getfixturevalue(name)
    await running.publish("iris", trained)
    given = IRIS.data.to_numpy()
    rows = {"columns": list(IRIS.data), "data": given.tolist()}
    expected = (await running.client.post(PREDICT, json=rows)).json()
    for door in range(2):
        if door:
            running.app.dependency_overrides[as_npy] = lambda: None
        answer = await running.client.post(PREDICT, content=as_npy(given), headers=NPY)
        assert answer.json() == expected
        for wanted, content, kind in (
            ("application/x-npy", as_npy(given), NPY),
            ("text/html, application/x-npy; q=0.9, application/json;q=0.1", None, {}),
        ):
            how = {"json": rows} if content is None else {"content": content}
            answer = await running.client.post(
                PREDICT, **how, headers={**kind, "accept": wanted}
            )
            assert answer.headers["content-type"] == "application/x-npy"
            assert answer.headers["x-model-version"] == "1"
            found = np.load(io.BytesIO(answer.content))
            assert np.array_equal(found, trained.estimator.predict(IRIS.data))
            assert found.tolist() == [p["prediction"] for p in expected["predictions"]]
    if name == "neighbours":
        return
    accept = "application/x-npy; output=probabilities"
    for path in (PREDICT, "/api/predict"):
        answer = await running.client.post(
            path, content=as_npy(given), headers={**NPY, "accept": accept}
        )
        found = np.load(io.BytesIO(answer.content))
        of_json = [list(p["probabilities"].values()) for p in expected["predictions"]]
        assert found.tobytes() == np.array(of_json).tobytes()


async def test_json_is_answered_where_it_is_as_welcome(running, logreg):
    await running.publish("iris", logreg)
    for accept in (
        "*/*",
        "application/json, application/x-npy",
        "application/x-npy;q=0.5, application/json",
        "application/x-npy;q=no",
        "application/x-npy;q=0",
    ):
        answer = await running.client.post(
            PREDICT, json={"rows": [ROW]}, headers={"accept": accept}
        )
        assert answer.headers["content-type"] == "application/json", accept


async def test_an_array_of_many_rows_is_answered_in_the_host(running, forest):
    await running.publish("iris", forest)
    given = np.tile(IRIS.data.to_numpy(), (500, 1))
    assert given.nbytes > HOSTED_BYTES
    answer = await running.client.post(
        PREDICT, content=as_npy(given), headers={**NPY, "accept": NPY["content-type"]}
    )
    found = np.load(io.BytesIO(answer.content))
    expected = forest.estimator.predict(IRIS.data)
    assert np.array_equal(found, np.tile(expected, 500))


async def test_a_bad_array_is_named(running, neighbours):
    await running.publish("iris", neighbours)
    hole = IRIS.data.to_numpy()[:3].copy()
    hole[1, 3] = np.nan
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], object), allow_pickle=True)
    for content, pointer in (
        (b"nope", ""),
        (pickled.getvalue(), ""),
        (as_npy(hole[:, :3]), ""),
        (as_npy(hole), "/rows/1/petal width (cm)"),
        (as_npy(hole > 1), "/columns/sepal length (cm)"),
    ):
        answer = await running.client.post(PREDICT, content=content, headers=NPY)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
    accept = "application/x-npy; output=probabilities"
    answer = await running.client.post(
        PREDICT, json={"rows": [ROW]}, headers={"accept": accept}
    )
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/output-unknown")
    assert "gives prediction" in answer.json()["detail"]
