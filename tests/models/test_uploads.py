"""Uploads through a served application and its worker: real files, real sandbox."""

import json
import os
import pickle
from typing import Any

import httpx2
import lightgbm as lgb
import pytest
import skops.io
import xgboost as xgb
from sklearn.linear_model import LogisticRegression

from tests.conftest import Callers
from tests.models.application import IRIS, ROW, dump
from tests.served import unique

ESTIMATOR = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)


class Runs:
    def __reduce__(self) -> Any:
        return os.system, ("touch pwned.txt",)


class Unknown:
    """A class that only this test knows."""


def upload(
    client: httpx2.Client, name: str, content: bytes, **metadata: Any
) -> httpx2.Response:
    return client.post(
        f"/api/models/{name}/versions",
        files={
            "artifact": ("model.joblib", content),
            "example": ("rows.csv", IRIS.data.iloc[::10].to_csv(index=False).encode()),
        },
        data={"metadata": json.dumps(metadata)},
        headers={"Prefer": "wait=55"},
    )


@pytest.mark.slow
def test_a_model_goes_from_file_to_answer(callers: Callers):
    name = unique("iris")
    made = upload(callers.editor, name, dump(ESTIMATOR), metrics={"accuracy": 0.97})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/api/models/{name}/versions/1"
    assert made.json()["metrics"] == {"accuracy": 0.97}
    path = f"/api/models/{name}/predict"
    found = callers.editor.post(path, json={"rows": [ROW]}).json()
    expected = ESTIMATOR.predict_proba(IRIS.data.iloc[[0]])[0]
    given = list(found["predictions"][0]["probabilities"].values())
    assert given == pytest.approx(expected, abs=1e-6)
    assert callers.other.post(path, json={"rows": [ROW]}).status_code == 404


@pytest.mark.slow
def test_a_hostile_file_is_refused_for_all_and_takes_no_number(callers: Callers):
    name = unique("hostile")
    hostile = pickle.dumps([Runs()])
    for client, extra in ((callers.editor, {}), (callers.admin, {"trust": True})):
        refused_name = unique("hostile")
        refused = upload(client, refused_name, hostile, **extra)
        assert refused.status_code == 422
        assert refused.json()["type"].endswith("/model-refused")
        assert refused.json()["safety"]["outcome"] == "hostile"
        assert "system" in refused.json()["detail"]
        # The name is free again.
        assert client.get(f"/api/models/{refused_name}").status_code == 404
    assert upload(callers.editor, name, dump(ESTIMATOR)).json()["version"] == 1
    assert not list(callers.server.data_dir.parent.rglob("pwned.txt"))


@pytest.mark.slow
def test_an_unknown_class_is_named_with_the_line_that_admits_it(callers: Callers):
    refused = upload(callers.editor, unique("unknown"), pickle.dumps(Unknown()))
    assert refused.status_code == 422
    document = refused.json()
    assert document["safety"]["outcome"] == "unknown"
    assert "Unknown" in document["detail"]
    assert "PICKLE_ALLOW" in document["detail"]


def native_files() -> dict[str, tuple[bytes, Any]]:
    """The data-only files of three libraries, and what was saved in them."""
    small = {"n_estimators": 5, "max_depth": 3}
    boosted = xgb.XGBClassifier(**small).fit(IRIS.data, IRIS.target)
    light = lgb.LGBMClassifier(n_estimators=5, verbosity=-1).fit(IRIS.data, IRIS.target)
    return {
        "xgboost": (bytes(boosted.get_booster().save_raw("ubj")), boosted),
        "lightgbm": (light.booster_.model_to_string().encode(), light),
        "skops": (skops.io.dumps(ESTIMATOR), ESTIMATOR),
    }


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["auto", "native"])
@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "skops"])
def test_a_file_of_another_library_goes_to_answers(
    kind: str, engine: str, callers: Callers
):
    content, model = native_files()[kind]
    client, name = callers.editor, unique(kind)
    made = upload(client, name, content, engine=engine)
    assert made.status_code == 201, made.text
    version = made.json()
    assert version["safety"]["outcome"] == ("gated" if kind == "skops" else "safe")
    wanted = {"skops": "linear"}.get(kind, "onnxruntime")
    assert version["engine"] == (wanted if engine == "auto" else "native")
    # LightGBM writes a space in a name as an underscore.
    named = [one["name"] for one in version["signature"]["inputs"]]
    row = dict(zip(named, ROW.values(), strict=True))
    found = client.post(f"/api/models/{name}/predict", json={"rows": [row]})
    assert found.status_code == 200, found.text
    answer = found.json()["predictions"][0]
    assert answer["prediction"] == model.predict(IRIS.data.iloc[[0]])[0]
    expected = model.predict_proba(IRIS.data.iloc[[0]])[0]
    given = list(answer["probabilities"].values())
    assert given == pytest.approx(expected, abs=1e-6)
    bad = client.post(f"/api/models/{name}/predict", json={"rows": [{**row, "x": 1}]})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/rows/0/x")
    cut = upload(client, unique("cut"), content[: len(content) // 2])
    assert cut.status_code in (415, 422), cut.text


@pytest.mark.slow
def test_a_dataset_is_predicted_into_a_dataset(callers: Callers):
    client, name = callers.editor, unique("iris")
    assert upload(client, name, dump(ESTIMATOR)).status_code == 201
    content = IRIS.data.to_csv(index=False).encode()
    source = unique("rows")
    made = client.post(
        f"/api/datasets?name={source}", content=content, headers={"Prefer": "wait=55"}
    )
    assert made.status_code == 201, made.text
    output = unique("scored")
    job = client.post(
        f"/api/models/{name}/batch",
        json={"dataset": source, "output": output, "include_inputs": True},
        headers={"Prefer": "wait=55"},
    )
    assert job.status_code == 201, job.text
    assert job.json()["rows"] == 150
    assert job.json()["lineage"]["model"] == name
    rows = client.get(f"/api/datasets/{output}/rows?limit=1000").json()["items"]
    assert [row["prediction"] for row in rows] == ESTIMATOR.predict(IRIS.data).tolist()
    assert list(rows[0]) == [
        *ROW,
        "prediction",
        "probability_0",
        "probability_1",
        "probability_2",
    ]
    missing = {"dataset": "none", "output": output}
    assert client.post(f"/api/models/{name}/batch", json=missing).status_code == 404
