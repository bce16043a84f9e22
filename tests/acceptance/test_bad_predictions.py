"""What a prediction is refused for, over HTTP: a 4xx that names the feature.

The rows are those on which servers of models were compared: most of them answer one
with a 500, or take it and predict something.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from tests.acceptance.conftest import upload_model
from tests.conftest import Callers
from tests.models.application import dump
from tests.served import unique

DATA = load_breast_cancer(as_frame=True)
ROW: dict[str, float] = DATA.data.iloc[0].to_dict()
FIELD, EXTRA, MARK = "mean texture", "mean wisdom", "@value@"
Row = dict[str, Any]
Form = Callable[[Row, str], tuple[str, str]]


def _missing(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != FIELD}


def _extra(row: Row) -> Row:
    return {**row, EXTRA: 1.0}


def _marked(row: Row) -> Row:
    return {**row, FIELD: MARK}


# What is done to the row; the text that stands for the value; the name that is told.
BAD: dict[str, tuple[Callable[[Row], Row], str, str]] = {
    "a feature missing": (_missing, "", FIELD),
    "an extra feature": (_extra, "", EXTRA),
    "text in a number": (_marked, '"wide"', FIELD),
    "a number as text": (_marked, '"1.5"', FIELD),
    "null": (_marked, "null", FIELD),
    "true for a number": (_marked, "true", FIELD),
    "a NaN": (_marked, "NaN", FIELD),
    "an Infinity": (_marked, "-Infinity", FIELD),
    "beyond a float": (_marked, "1e400", FIELD),
    "an object": (_marked, '{"value": 1.5}', FIELD),
}


def _rows(row: Row, model: str) -> tuple[str, str]:
    return f"/api/models/{model}/predict", json.dumps({"rows": [ROW, row]})


def _any(row: Row, model: str) -> tuple[str, str]:
    return "/api/predict", json.dumps({"model": model, "rows": [row]})


def _columns(row: Row, model: str) -> tuple[str, str]:
    body = {"columns": list(row), "data": [list(row.values())]}
    return f"/api/models/{model}/predict", json.dumps(body)


def _features(row: Row, model: str) -> tuple[str, str]:
    body = {"features": list(row.values())}
    return f"/api/models/{model}/predict", json.dumps(body)


def _tensors(row: Row, model: str) -> tuple[str, str]:
    inputs = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in row.items()
    ]
    return f"/v2/models/{model}/infer", json.dumps({"inputs": inputs})


FORMS: Sequence[Form] = (_rows, _any, _columns, _features, _tensors)


@pytest.fixture(scope="session")
def cancer(callers: Callers) -> dict[str, str]:
    """The same data behind an engine in the API process, and in the model host."""
    models = {"engine": LogisticRegression(max_iter=5000), "host": GaussianNB()}
    found = {}
    for place, model in models.items():
        found[place] = unique(f"cancer-{place}")
        model.fit(DATA.data, DATA.target)
        metadata = {"engine": "native"} if place == "host" else {}
        made = upload_model(callers.editor, found[place], dump(model), **metadata)
        assert made.status_code == 201, made.text
    return found


def _post(client: httpx2.Client, path: str, body: str) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    return client.post(path, content=body.encode(), headers=headers)


@pytest.mark.parametrize("place", ["engine", "host"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.strip("_"))
@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_is_refused_with_the_name_of_the_feature(
    callers: Callers, cancer: dict[str, str], row: str, form: Form, place: str
) -> None:
    change, text, name = BAD[row]
    path, body = form(change(ROW), cancer[place])
    answer = _post(callers.editor, path, body.replace(json.dumps(MARK), text))
    assert answer.status_code in (400, 422), answer.text
    told = answer.json()
    if path.startswith("/v2"):
        assert list(told) == ["error"]
        assert name in told["error"]
        return
    assert answer.headers["content-type"] == "application/problem+json"
    first = told["errors"][0]
    if form is _features and change is not _marked:
        assert first["pointer"] == "/features"  # positions have no names
        assert "30" in first["message"]
    else:
        assert name in first["pointer"] + first["message"]
    assert "1.5" not in first["message"]
    assert len(told["errors"]) == 1


@pytest.mark.parametrize("body", ["not json", "", "[", '{"rows": [', "5", "null"])
@pytest.mark.parametrize("place", ["engine", "host"])
def test_what_is_no_json_object_is_told(
    callers: Callers, cancer: dict[str, str], place: str, body: str
) -> None:
    for path in (f"/api/models/{cancer[place]}/predict", "/api/predict"):
        answer = _post(callers.editor, path, body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["pointer"] == ""
    answer = _post(callers.editor, f"/v2/models/{cancer[place]}/infer", body)
    assert answer.status_code in (400, 422), answer.text
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.strip("_"))
@pytest.mark.parametrize("place", ["engine", "host"])
def test_the_row_as_it_should_be_is_answered(
    callers: Callers, cancer: dict[str, str], place: str, form: Form
) -> None:
    answer = _post(callers.editor, *form(ROW, cancer[place]))
    assert answer.status_code == 200, answer.text


def test_the_documents_name_the_features(
    callers: Callers, cancer: dict[str, str]
) -> None:
    paths = callers.editor.get("/openapi.json").json()["paths"]
    for name in cancer.values():
        content = paths[f"/api/models/{name}/predict"]["post"]["requestBody"]["content"]
        forms = content["application/json"]["schema"]["oneOf"]
        assert list(forms[0]["properties"]["rows"]["items"]["properties"]) == list(ROW)
        schema = callers.editor.get(f"/api/models/{name}/versions/1/schema").json()
        assert schema["required"] == list(ROW)


def test_predictions_are_on_the_page_of_figures(
    callers: Callers, cancer: dict[str, str]
) -> None:
    for name in cancer.values():
        _post(callers.editor, *_rows(ROW, name))
        text = callers.nobody.get("/metrics").text
        assert f'foretell_predictions_total{{model="{name}",version="1"}}' in text
