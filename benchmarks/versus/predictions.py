"""Rows about `POST /api/predict`."""

import pickle
from typing import Any

import httpx2

from benchmarks.versus.models import FEATURES, IRIS, LAST, estimators, turned
from benchmarks.versus.rows import Seen, all_by_status, by_status, row, told
from benchmarks.versus.sides import JSON, Side

REST = ",".join(["0"] * 29)


def predict(
    side: Side, features: Any, kind: str = "binary", **more: Any
) -> httpx2.Response:
    body = {"features": features, **more}
    return side.predict(kind, body)


def raw(side: Side, content: str) -> httpx2.Response:
    return side.ask(
        side.signed_in(), "POST", "/api/predict", content=content, headers=JSON
    )


@row("D69", "29 features; none; 3 million")
def wrong_count(side: Side) -> Seen:
    return all_by_status([predict(side, [0] * n) for n in (29, 0, 3_000_000)], 422)


@row("D70", "NaN; 1e400")
def no_number(side: Side) -> Seen:
    bodies = [f'{{"features": [{v},{REST}]}}' for v in ("NaN", "1e400")]
    return all_by_status([raw(side, body) for body in bodies], 422)


@row("D71", "a regression")
def regression(side: Side) -> Seen:
    answer = predict(side, LAST, "price")
    if answer.status_code != 200:
        return Seen(told(answer), False)
    found = answer.json()["prediction"]
    return Seen(f"200 {found}", abs(found - LAST[0] * 2.5) < 1e-3)


@row("D72", "a model without probabilities (SVC)")
def no_probability(side: Side) -> Seen:
    return by_status(predict(side, LAST, "margin"), 200)


@row("D73", "labels that are text")
def text_labels(side: Side) -> Seen:
    answer = predict(side, LAST, "text")
    is_right = answer.status_code == 200 and answer.json()["prediction"] == "virginica"
    return Seen("200 virginica" if is_right else told(answer), is_right)


@row("D74", "three classes: whose probability is it?")
def three_classes(side: Side) -> Seen:
    found = predict(side, LAST, "three").json()
    true = estimators()["three"].predict_proba([LAST])[0].max()
    words = f"class {found['prediction']} with {found['probability']:.3f}"
    return Seen(f"{words} (is {true:.3f})", abs(found["probability"] - true) < 1e-3)


@row("D75", "class 0 predicted: whose probability is it?")
def class_zero(side: Side) -> Seen:
    found = predict(side, FEATURES).json()
    words = f"class {found['prediction']} with {found['probability']:.3g}"
    return Seen(words, found["prediction"] == 0 and found["probability"] > 0.5)


@row("D77", "by name; two rows")
def shapes(side: Side) -> Seen:
    by_name = dict(zip(IRIS.data, LAST, strict=True))
    rows = [by_name, by_name]
    return all_by_status(
        [side.predict("named", {"rows": r}) for r in (rows[:1], rows)], 200
    )


@row("D76", "features in reverse order, by name")
def reverse_order(side: Side) -> Seen:
    by_name = dict(reversed(list(zip(IRIS.data, LAST, strict=True))))
    answer = side.predict("named", {"rows": [by_name]})
    if answer.status_code != 200:
        return Seen(told(answer), False)
    true = estimators()["named"].predict_proba(IRIS.data.iloc[[149]])[0].max()
    found = answer.json()["probability"]
    return Seen(f"200, {found:.3f} (is {true:.3f})", abs(found - true) < 1e-3)


@row("D78", 'the text "13.0"; true')
def coerced(side: Side) -> Seen:
    bodies = [f'{{"features": [{v},{REST}]}}' for v in ('"13.0"', "true")]
    return all_by_status([raw(side, body) for body in bodies], 422)


@row("D79", "100,000 wrong values: size of the answer")
def long_list(side: Side) -> Seen:
    answer = predict(side, ["x"] * 100_000)
    size = len(answer.content)
    return Seen(f"{answer.status_code}, {size:,} bytes", size < 65536)


@row("D80", "a new model in place of the old one")
def replaced(side: Side) -> Seen:
    before = predict(side, FEATURES).json()
    side.replace_model(pickle.dumps(turned()))
    after = predict(side, FEATURES).json()
    side.replace_model(pickle.dumps(estimators()["binary"]))
    words = (
        "serves" if after["prediction"] != before["prediction"] else "old one answers"
    )
    version = after.get("version")
    words += f", version {version}" if version else ", no version"
    return Seen(words, version is not None and after != before)


@row("D81", "a prediction by nobody")
def by_nobody(side: Side) -> Seen:
    body = {"features": FEATURES}
    return by_status(side.ask(side.stranger(), "POST", "/api/predict", json=body), 401)


@row("D82", "OpenAPI: what does a prediction answer?")
def documented(side: Side) -> Seen:
    paths = side.ask(side.signed_in(), "GET", "/openapi.json").json()["paths"]
    answer = paths["/api/predict"]["post"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    return Seen("a schema" if schema else "{}", bool(schema))
