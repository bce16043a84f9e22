"""Feature sets as a user sees them, alone and bound to a model."""

import io
import json
import math
import random
import struct

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from tests.models.application import dump
from tests.served import unique, upload

BODY = {
    "features": [
        {"name": "a", "expression": "lower(trim(s))"},
        {"name": "b", "expression": "coalesce(x, 0) * 2"},
    ]
}


@pytest.fixture
def editor(callers):
    return callers.editor


@pytest.fixture
def path(editor):
    path = f"/api/feature-sets/{unique('f')}"
    assert editor.put(path, json=BODY).status_code == 201
    return path


def test_features_are_computed_of_raw_records(editor, path):
    rows = [{"s": " Ab ", "x": 1.5}, {"s": None, "x": None, "more": 1}]
    answer = editor.post(f"{path}/compute", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == [{"a": "ab", "b": 3.0}, {"a": None, "b": 0.0}]
    assert answer.json()["version"] == 1


def test_what_is_wrong_is_named(editor, path):
    answer = editor.post(
        f"{path}/compute", json={"rows": [{"s": "a", "x": 1}, {"s": 1}]}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/rows/1/x"
    wrong = {"features": [*BODY["features"], {"name": "c", "expression": "1 +"}]}
    answer = editor.put(path, json=wrong)
    assert answer.json()["errors"][0]["pointer"] == "/features/2/expression"
    declared = {
        "features": [{"name": "c", "expression": "lwer(s)"}],
        "inputs": [{"name": "s", "type": "text"}],
    }
    answer = editor.put(path, json=declared)
    assert "'lower'" in answer.json()["errors"][0]["message"]
    assert editor.get(path).json()["version"] == 1


def test_versions_are_kept_and_shared_like_everything(callers, path):
    editor, other, viewer = callers.editor, callers.other, callers.viewer
    editor.put(path, json={"features": BODY["features"][:1]})
    assert editor.get(path).json()["version"] == 2
    assert (
        editor.get(path, params={"version": 1}).json()["features"] == BODY["features"]
    )
    row = {"rows": [{"s": "A", "x": 1}]}
    first = editor.post(f"{path}/compute", json=row, params={"version": 1}).json()
    assert first["rows"] == [{"a": "a", "b": 2}]
    assert other.get(path).status_code == 404
    assert other.post(f"{path}/compute", json=row).status_code == 404
    assert other.put(path, json=BODY).status_code == 409
    editor.patch(path, json={"visibility": "everyone"})
    assert viewer.post(f"{path}/compute", json=row).status_code == 200
    assert viewer.delete(path).status_code == 403
    assert editor.delete(path).status_code == 204


# --- bound to a model -----------------------------------------------------------

FEATURES = {
    "features": [
        {"name": "size", "expression": "coalesce(width, 1) * height / 3"},
        {"name": "words", "expression": "length(trim(title))"},
        {"name": "late", "expression": "if(hour(sold) >= 12, 1.5, 0.25)"},
        {"name": "noise", "expression": "round(ln(height * height + 1), 4)"},
    ],
    "inputs": [
        {"name": "width", "type": "float"},
        {"name": "height", "type": "float"},
        {"name": "title", "type": "text"},
        {"name": "sold", "type": "timestamp"},
    ],
}
NAMES = ["size", "words", "late", "noise"]


def records(count):
    rand = random.Random(7)  # noqa: S311 - no secret
    titles = ["", "ß", " İstanbul ", "a b c", "Straße 7", "日本"]
    return [
        {
            "width": None if index % 11 == 0 else rand.uniform(-50, 50),
            "height": rand.choice([rand.uniform(0, 9), float(rand.randint(0, 99))]),
            "title": rand.choice(titles) + "x" * (index % 5),
            "sold": f"2024-{index % 12 + 1:02}-27T{index % 24:02}:30:00",
        }
        for index in range(count)
    ]


def bound_model(editor):
    name = unique("bound")
    made = editor.put(f"/api/feature-sets/{name}", json=FEATURES)
    assert made.status_code == 201, made.text
    rand = np.random.default_rng(3)
    inputs = pd.DataFrame(rand.normal(size=(50, 4)), columns=NAMES)
    model = LinearRegression().fit(inputs, inputs.to_numpy() @ [0.1, 2.7, -1.3, 0.7])
    answer = upload_bound(editor, name, dump(model), feature_set=name)
    assert answer.status_code == 201, answer.text
    return name, answer.json()


def upload_bound(editor, name, content, **metadata):
    return editor.post(
        f"/api/models/{name}/versions",
        files={"artifact": ("m.joblib", content)},
        data={"metadata": json.dumps(metadata)},
        headers={"Prefer": "wait=50"},
    )


@pytest.mark.slow
def test_online_is_batch_bit_for_bit_on_ten_thousand_records(editor):
    name, version = bound_model(editor)
    assert version["features"]["version"] == 1
    # Later versions of the feature set change no model.
    other = {"features": [{"name": n, "expression": "0.0"} for n in NAMES]}
    assert editor.put(f"/api/feature-sets/{name}", json=other).status_code == 200
    rows = records(10_000)
    online = []
    for start in range(0, len(rows), 1_000):
        body = {"rows": rows[start : start + 1_000]}
        answer = editor.post(f"/api/models/{name}/predict", json=body)
        assert answer.status_code == 200, answer.text
        online += [found["prediction"] for found in answer.json()["predictions"]]
    one = editor.post(f"/api/models/{name}/predict", json={"rows": rows[:1]}).json()
    assert one["predictions"][0]["prediction"] == online[0]
    frame = pd.DataFrame(rows).assign(sold=lambda f: pd.to_datetime(f["sold"]))
    content = io.BytesIO()
    frame.to_parquet(content)
    assert [bits(v) for v in by_arrow(editor, name, frame)] == [bits(v) for v in online]
    made = upload(editor, name, content.getvalue(), filename="records.parquet")
    assert made.status_code == 201, made.text
    made = editor.post(
        f"/api/models/{name}/batch",
        json={"dataset": name, "output": f"{name}-out"},
        headers={"Prefer": "wait=50"},
    )
    assert made.status_code == 201, made.text
    lines = editor.get(
        f"/api/datasets/{name}-out/rows?limit=10000",
        headers={"Accept": "application/x-ndjson"},
    ).text.splitlines()
    batch = [json.loads(line)["prediction"] for line in lines]
    assert [bits(v) for v in batch] == [bits(v) for v in online]


def bits(value):
    return struct.pack("<d", value)


def stream(frame):
    """A frame as an Arrow IPC stream."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def ask_by_arrow(client, name, frame):
    return client.post(
        f"/api/models/{name}/predict",
        content=stream(frame),
        headers={"Content-Type": "application/vnd.apache.arrow.stream"},
    )


def by_arrow(client, name, frame):
    answer = ask_by_arrow(client, name, frame)
    assert answer.status_code == 200, answer.text
    return [found["prediction"] for found in answer.json()["predictions"]]


def test_raw_records_come_as_arrow_and_as_arrays_too(editor):
    name, _ = bound_model(editor)
    rows = records(50)
    path = f"/api/models/{name}/predict"
    wanted = editor.post(path, json={"rows": rows}).json()["predictions"]
    wanted = [found["prediction"] for found in wanted]
    frame = pd.DataFrame(rows).assign(sold=lambda f: pd.to_datetime(f["sold"]))
    small = frame.astype({"title": "category"}).assign(more=float("inf"))
    for one in (frame, small[small.columns[::-1]]):
        assert by_arrow(editor, name, one) == wanted
    assert by_arrow(editor, name, frame[:0]) == []
    dtype = [("width", "f8"), ("height", "f8"), ("title", "U20"), ("sold", "U20")]
    cells = [tuple(math.nan if v is None else v for v in row.values()) for row in rows]
    body = io.BytesIO()
    np.save(body, np.array(cells, dtype))
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    answer = editor.post(path, content=body.getvalue(), headers=headers)
    assert np.load(io.BytesIO(answer.content)).tolist() == wanted


def test_columns_that_do_not_fit_a_feature_set_are_named(editor):
    name, _ = bound_model(editor)
    frame = pd.DataFrame(records(3))  # its times are texts
    answer = ask_by_arrow(editor, name, frame)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/columns/sold"
    frame = frame.assign(sold=pd.to_datetime(frame["sold"]))
    answer = ask_by_arrow(editor, name, frame.drop(columns="title"))
    assert answer.json()["errors"][0]["pointer"] == "/columns/title"
    endless = frame.assign(height=float("inf"))
    answer = ask_by_arrow(editor, name, endless)
    assert answer.json()["errors"][0]["pointer"] == "/rows/0/height"
    missing = frame.assign(height=float("nan"))
    answer = ask_by_arrow(editor, name, missing)
    assert answer.json()["errors"][0]["pointer"] == "/rows/0/size"


def test_a_bound_model_takes_raw_records_and_names_what_they_lack(editor):
    name, _ = bound_model(editor)
    (row,) = records(1)
    path = f"/api/models/{name}/predict"
    answer = editor.post(path, json={"rows": [{**row, "width": "wide"}]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/rows/0/width"
    answer = editor.post(path, json={"rows": [{**row, "height": None}]})
    assert answer.json()["errors"][0]["pointer"] == "/rows/0/size"
    positional = {"features": list(row.values())}
    table = {"columns": list(row), "data": [list(row.values())]}
    wanted = editor.post(path, json={"rows": [row]}).json()["predictions"]
    for body in (positional, table):
        assert editor.post(path, json=body).json()["predictions"] == wanted
    named = {"model": name, "rows": [row]}
    assert editor.post("/api/predict", json=named).json()["predictions"] == wanted
    for content in (b"[]", b"{", b'{"rows": 1}', b'{"rows": [1]}', b"{}"):
        answer = editor.post(
            path, content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, answer.text
    schema = editor.get(f"/api/models/{name}/versions/1/schema").json()
    assert set(schema["required"]) == set(row)


def test_a_feature_set_must_make_every_input(callers, path):
    name = path.rpartition("/")[2]
    inputs = pd.DataFrame({"b": [0.0, 1.0], "z": [1.0, 0.0]})
    content = dump(LinearRegression().fit(inputs, [0.0, 1.0]))
    answer = upload_bound(callers.editor, unique("m"), content, feature_set=name)
    assert answer.status_code == 422
    assert answer.json()["missing"] == ["z"]
    assert (
        upload_bound(callers.other, unique("m"), content, feature_set=name).status_code
        == 404
    )
