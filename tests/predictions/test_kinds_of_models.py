"""Models that are no plain classifier or regressor, over HTTP, /v2 and in a batch."""

import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, SparsePCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

from foretell.models.inspecting import inspect_artifact
from foretell.models.reports import InspectRequest
from foretell.predictions.batch_messages import ScoreRequest
from foretell.predictions.scoring import score
from tests.models.application import IRIS, Running, Trained, trained

Y = IRIS.target.to_numpy()
VALUES = IRIS.data
ASKED = VALUES.iloc[[3, 70, 120]]
PATH = "/api/models/kind/predict"


def served(estimator: Any, folder: Any) -> Trained:
    return trained(estimator.fit(VALUES, Y), folder)


async def answers(running: Running, model: Trained) -> list[dict[str, Any]]:
    await running.publish("kind", model)
    body = {"rows": ASKED.to_dict("records")}
    answer = await running.client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    # One row alone, which takes another way.
    alone = await running.client.post(PATH, json={"rows": body["rows"][1:2]})
    assert alone.json()["predictions"][0].keys() == found[1].keys()
    one, other = alone.json()["predictions"][0]["prediction"], found[1]["prediction"]
    assert one == pytest.approx(other, abs=1e-9)
    return found


async def tensor(running: Running, name: str) -> dict[str, Any]:
    """One output of an inference of the same rows."""
    matrix = {
        "name": "input",
        "shape": list(ASKED.shape),
        "datatype": "FP64",
        "data": ASKED.to_numpy().ravel().tolist(),
    }
    answer = await running.client.post(
        "/v2/models/kind/infer", json={"inputs": [matrix]}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = next(
        one for one in answer.json()["outputs"] if one["name"] == name
    )
    return found


@pytest.mark.parametrize(
    "estimator",
    [PCA(2), SparsePCA(2, random_state=0), KBinsDiscretizer(3)],
    ids=lambda one: type(one).__name__,
)
async def test_a_transformer_answers_the_row_it_makes(running, tmp_path, estimator):
    model = served(estimator, tmp_path)
    wanted = model.estimator.transform(ASKED)
    wanted = wanted.toarray() if hasattr(wanted, "toarray") else wanted
    found = await answers(running, model)
    assert np.array([one["prediction"] for one in found]) == pytest.approx(
        wanted, abs=1e-6
    )
    output = await tensor(running, "prediction")
    assert output["shape"] == list(wanted.shape)
    assert output["data"] == pytest.approx(wanted.ravel(), abs=1e-6)


async def test_a_transformer_of_texts_has_one_list_a_row(running, tmp_path):
    frame = VALUES.assign(city=np.where(Y > 1, "Oslo", "Rome"))
    columns = make_column_transformer(
        (OneHotEncoder(), ["city"]), (StandardScaler(), list(VALUES))
    )
    columns.fit(frame)
    artifact = pickle.dumps(columns)
    (tmp_path / "model.pkl").write_bytes(artifact)
    (tmp_path / "out").mkdir()
    request = InspectRequest(str(tmp_path / "model.pkl"), str(tmp_path / "out"))
    result = inspect_artifact(request, lambda _progress: None)
    twin = None
    if result.twin is not None:
        twin = (tmp_path / "out" / result.twin.name).read_bytes()
    await running.publish("kind", Trained(columns, artifact, result, twin))
    rows = frame.iloc[[3, 120]]
    answer = await running.client.post(PATH, json={"rows": rows.to_dict("records")})
    found = [one["prediction"] for one in answer.json()["predictions"]]
    assert np.array(found) == pytest.approx(columns.transform(rows), abs=1e-6)


async def test_a_cluster_is_a_number(running, tmp_path):
    model = served(KMeans(3, random_state=0), tmp_path)
    found = await answers(running, model)
    wanted = model.estimator.predict(ASKED).tolist()
    assert found == [{"prediction": one} for one in wanted]
    assert (await tensor(running, "prediction"))["data"] == wanted


@pytest.mark.parametrize("is_scaled", [False, True])
async def test_an_outlier_is_minus_one_with_its_decision(running, tmp_path, is_scaled):
    estimator: Any = IsolationForest(n_estimators=20, random_state=0)
    if is_scaled:
        estimator = make_pipeline(StandardScaler(), estimator)
    model = served(estimator, tmp_path)
    found = await answers(running, model)
    assert [one["prediction"] for one in found] == model.estimator.predict(
        ASKED
    ).tolist()
    decisions = model.estimator.decision_function(ASKED)
    assert [one["decision"] for one in found] == pytest.approx(decisions, abs=1e-6)
    assert (await tensor(running, "decision"))["data"] == pytest.approx(
        decisions, abs=1e-6
    )


@pytest.mark.parametrize("is_scaled", [False, True])
async def test_a_mixture_has_the_probability_of_each_component(
    running, tmp_path, is_scaled
):
    estimator: Any = GaussianMixture(3, random_state=0)
    if is_scaled:
        estimator = make_pipeline(StandardScaler(), estimator)
    model = served(estimator, tmp_path)
    found = await answers(running, model)
    for answer, row in zip(found, model.estimator.predict_proba(ASKED), strict=True):
        assert list(answer["probabilities"]) == ["0", "1", "2"]
        assert list(answer["probabilities"].values()) == pytest.approx(row, abs=1e-6)


async def test_a_density_answers_the_log_likelihood(running, tmp_path):
    model = served(KernelDensity(), tmp_path)
    found = await answers(running, model)
    wanted = model.estimator.score_samples(ASKED)
    assert [one["prediction"] for one in found] == pytest.approx(wanted)


async def test_several_values_are_a_list(running, tmp_path):
    both = np.column_stack([Y, Y * 2.5])
    model = trained(LinearRegression().fit(VALUES, both), tmp_path)
    found = await answers(running, model)
    wanted = model.estimator.predict(ASKED)
    assert np.array([one["prediction"] for one in found]) == pytest.approx(
        wanted, abs=1e-6
    )
    assert (await tensor(running, "prediction"))["shape"] == [3, 2]


@pytest.mark.parametrize("kind", [ClassifierChain, MultiOutputClassifier])
async def test_several_labels_have_a_probability_for_each_class(
    running, tmp_path, kind
):
    both = np.column_stack([Y > 0, Y > 1]).astype(int)
    estimator = kind(LogisticRegression(max_iter=500)).fit(VALUES, both)
    found = await answers(running, trained(estimator, tmp_path))
    chances = estimator.predict_proba(ASKED)
    for place, answer in enumerate(found):
        assert answer["prediction"] == estimator.predict(ASKED)[place].tolist()
        for label, given in enumerate(answer["probabilities"]):
            of_one = (
                chances[label][place, 1]
                if isinstance(chances, list)
                else chances[place, label]
            )
            assert given == {
                "0": pytest.approx(1 - of_one),
                "1": pytest.approx(of_one),
            }


def test_a_batch_of_a_transformer_is_a_column_of_lists(tmp_path):
    model = served(PCA(2), tmp_path)
    assert model.twin is not None
    assert model.result.twin is not None
    (tmp_path / "twin").write_bytes(model.twin)
    (tmp_path / "parts").mkdir()
    pl.DataFrame(ASKED.to_dict("list")).write_parquet(tmp_path / "in.parquet")
    request = ScoreRequest(
        parts=[str(tmp_path / "in.parquet")],
        keep=[],
        output=str(tmp_path / "parts"),
        flavour="sklearn",
        path=str(tmp_path / "twin"),
        sha256=model.result.twin.sha256,
        is_native=False,
        spec=model.result.spec,
        signature=model.result.signature,
    )
    result = score(request, lambda _progress: None)
    found = pl.read_parquet([tmp_path / "parts" / one.file for one in result.parts])
    wanted = model.estimator.transform(ASKED)
    assert np.array(found["prediction"].to_list()) == pytest.approx(wanted, abs=1e-6)
    assert [column.type for column in result.columns] == ["list"]
