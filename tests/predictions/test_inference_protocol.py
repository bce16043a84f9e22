"""The Open Inference Protocol V2: metadata, readiness, tensors in JSON and in bytes."""

import json
import math
import struct
from typing import Any

import pytest

from tests.models.application import IRIS, ROW, Running, Trained

MODEL = "/v2/models/iris"
INFER = f"{MODEL}/infer"
ROWS = [[float(value) for value in row] for row in IRIS.data.iloc[:3].to_numpy()]
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture
async def published(running: Running, logreg: Trained) -> Running:
    await running.publish("iris", logreg)
    return running


def tensor(**changed: Any) -> dict[str, Any]:
    whole = {"name": "input", "shape": [3, 4], "datatype": "FP64", "data": ROWS}
    return {name: v for name, v in (whole | changed).items() if v is not None}


async def test_the_server_tells_what_it_is(published: Running) -> None:
    about = await published.client.get("/v2")
    assert about.json()["name"] == "foretell"
    assert "binary_tensor_data" in about.json()["extensions"]
    for path, body in (("live", {"live": True}), ("ready", {"ready": True})):
        answer = await published.client.get(f"/v2/health/{path}", headers=NOBODY)
        assert (answer.status_code, answer.json()) == (200, body)
    index = await published.client.post("/v2/repository/index")
    assert index.json() == [
        {"name": "iris", "version": "1", "state": "READY", "reason": ""}
    ]


NOBODY = {"Authorization": ""}


async def test_a_model_tells_its_tensors(published: Running, logreg: Trained) -> None:
    await published.publish("iris", logreg)
    for path in (MODEL, f"{MODEL}/versions/1"):
        found = (await published.client.get(path)).json()
        assert found["name"] == "iris"
        assert found["versions"] == ["1", "2"]
        (given,) = found["inputs"]
        assert given == {
            "name": "input",
            "datatype": "FP64",
            "shape": [-1, 4],
            "parameters": {"columns": list(ROW)},
        }
        labels = ["setosa", "versicolor", "virginica"]
        assert found["outputs"] == [
            {
                "name": "prediction",
                "datatype": "BYTES",
                "shape": [-1],
                "parameters": {"labels": labels},
            },
            {
                "name": "probabilities",
                "datatype": "FP64",
                "shape": [-1, 3],
                "parameters": {"labels": labels},
            },
        ]
        ready = await published.client.get(f"{path}/ready")
        assert ready.json() == {"name": "iris", "ready": True}


async def test_an_answer_is_that_of_predict(published: Running) -> None:
    rows = {"columns": list(ROW), "data": ROWS}
    wanted = await published.client.post("/api/models/iris/predict", json=rows)
    predictions = wanted.json()["predictions"]
    for shape_of_data in (ROWS, [value for row in ROWS for value in row]):
        body = {"id": "a-7", "inputs": [tensor(data=shape_of_data)]}
        answer = (await published.client.post(INFER, json=body)).json()
        assert answer["id"] == "a-7"
        assert (answer["model_name"], answer["model_version"]) == ("iris", "1")
        prediction, probabilities = answer["outputs"]
        assert prediction["data"] == [row["prediction"] for row in predictions]
        assert probabilities["shape"] == [3, 3]
        assert probabilities["data"] == [
            one for row in predictions for one in row["probabilities"].values()
        ]


async def test_columns_may_come_one_by_one(published: Running) -> None:
    columns = [
        {
            "name": name,
            "shape": [3, 1],
            "datatype": "FP32",
            "data": [row[place] for row in ROWS],
        }
        for place, name in reversed(list(enumerate(ROW)))
    ]
    answer = await published.client.post(
        f"{MODEL}/versions/1/infer",
        json={"inputs": columns, "outputs": [{"name": "prediction"}]},
    )
    (output,) = answer.json()["outputs"]
    assert output["data"] == ["setosa"] * 3


async def test_tensors_travel_as_bytes_both_ways(published: Running) -> None:
    raw = struct.pack("<12d", *(value for row in ROWS for value in row))
    sent = {
        "parameters": {"binary_data_output": True},
        "inputs": [tensor(data=None, parameters={"binary_data_size": len(raw)})],
    }
    head = json.dumps(sent).encode()
    headers = {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    answer = await published.client.post(INFER, content=head + raw, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[LENGTH])
    document, rest = json.loads(answer.content[:length]), answer.content[length:]
    sizes = [o["parameters"]["binary_data_size"] for o in document["outputs"]]
    assert sum(sizes) == len(rest)
    text = b"".join(struct.pack("<I", 6) + b"setosa" for _ in range(3))
    assert rest[: sizes[0]] == text
    probabilities = struct.unpack("<9d", rest[sizes[0] :])
    plain = await published.client.post(INFER, json={"inputs": [tensor()]})
    assert list(probabilities) == plain.json()["outputs"][1]["data"]


async def test_columns_of_several_types_are_tensors_of_their_own(
    running: Running, forest: Trained
) -> None:
    await running.publish("forest", forest)
    found = (await running.client.get("/v2/models/forest")).json()
    inputs = [
        {
            "name": one["name"],
            "shape": [2, *one["shape"][1:]],
            "datatype": one["datatype"],
            "data": [1] * 2 * one["shape"][1],
        }
        for one in found["inputs"]
    ]
    answer = await running.client.post(
        "/v2/models/forest/infer", json={"inputs": inputs}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["shape"] == [2]


FAULTS: list[tuple[Any, int, str]] = [
    (b"no json", 422, "no inference request"),
    ({}, 422, "inputs"),
    ({"inputs": []}, 422, "at least one input"),
    ({"inputs": [tensor(), tensor()]}, 422, "each name once"),
    ({"inputs": [tensor(datatype="FP8")]}, 422, "unknown datatype 'FP8'"),
    ({"inputs": [tensor(datatype="BYTES")]}, 422, "value 0 is not of the datatype"),
    ({"inputs": [tensor(shape=[3])]}, 422, "the shape asks for 3 values"),
    ({"inputs": [tensor(shape=[4, 3])]}, 422, "the shape is [rows, 4], not [4, 3]"),
    ({"inputs": [tensor(shape=[-1, 4])]}, 422, "a shape is"),
    ({"inputs": [tensor(shape=[2**40, 2**40])]}, 422, "are too many"),
    ({"inputs": [tensor(shape=[1_048_577, 4])]}, 422, "are too many"),
    ({"inputs": [tensor(data=[[1.0]] * 12, shape=[1, 3, 4])]}, 422, "a shape is"),
    ({"inputs": [tensor(data=[[1.0], 2.0])]}, 422, "nested unevenly"),
    ({"inputs": [tensor(data=[True] * 12)]}, 422, "value 0 is not of"),
    ({"inputs": [tensor(data=[None] * 12)]}, 422, "Column 'sepal length (cm)', row 0"),
    (
        {"inputs": [tensor(parameters={"binary_data_size": 8})]},
        422,
        "there are no 8 bytes",
    ),
    (
        {"inputs": [tensor(name=name, shape=[3, 1]) for name in ("a", "b")]},
        422,
        "the shape asks for 3 values",
    ),
    (
        {"inputs": [tensor(name=name, shape=[1], data=[1.0]) for name in ("a", "b")]},
        422,
        "Sent: 'a', 'b'. The model takes 'input'.",
    ),
    ({"inputs": [tensor()], "outputs": [{"name": "x"}]}, 422, "no output 'x'"),
    (
        {
            "inputs": [tensor()],
            "outputs": [{"name": "prediction", "parameters": {"classification": 2}}],
        },
        422,
        "classification is not offered",
    ),
]


@pytest.mark.parametrize(("body", "status", "words"), FAULTS)
async def test_a_fault_is_told_in_the_protocols_own_shape(
    published: Running, body: Any, status: int, words: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await published.client.post(INFER, content=content)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    assert words in answer.json()["error"]


async def test_not_a_number_is_missing_and_infinity_is_no_value(
    published: Running,
) -> None:
    for value, words in ((math.nan, "Column 'sepal"), (math.inf, "infinity")):
        raw = struct.pack("<4d", value, 1, 1, 1)
        one = tensor(data=None, shape=[1, 4], parameters={"binary_data_size": len(raw)})
        head = json.dumps({"inputs": [one]}).encode()
        headers = {LENGTH: str(len(head))}
        answer = await published.client.post(INFER, content=head + raw, headers=headers)
        assert answer.status_code == 422
        assert words in answer.json()["error"]


@pytest.mark.parametrize("length", ["x", "-1", "99999999", "3"])
async def test_a_wrong_length_of_the_json_is_told(
    published: Running, length: str
) -> None:
    body = json.dumps({"inputs": [tensor()]})
    answer = await published.client.post(INFER, content=body, headers={LENGTH: length})
    assert answer.status_code == 422
    assert answer.json().keys() == {"error"}


async def test_who_may_not_ask_hears_so_in_the_same_shape(published: Running) -> None:
    narrow = await published.client_with(["datasets:read"])
    asked = {"inputs": [tensor()]}
    for path in (INFER, "/v2/models/none/infer", "/v2/nowhere"):
        refused = await published.client.post(path, json=asked, headers=NOBODY)
        assert refused.json().keys() == {"error"}, path
    assert (await narrow.post(INFER, json=asked)).status_code == 403
    assert (await narrow.post(INFER, json=asked)).json().keys() == {"error"}
    assert (await published.other.get(MODEL)).status_code == 404
    assert (await published.client.get(f"{MODEL}/versions/9")).status_code == 404
    assert (await published.client.get(f"{MODEL}/versions/9/ready")).status_code == 404


async def test_the_edges_own_refusals_have_the_same_shape(published: Running) -> None:
    for path, headers, status in (
        (f"{MODEL}{'x' * 9_000}", {}, 414),
        (MODEL, {"Host": "elsewhere.example"}, 421),
        (MODEL, {"Host": "["}, 421),
    ):
        refused = await published.client.get(path, headers=headers)
        assert refused.status_code == status
        assert refused.json().keys() == {"error"}
