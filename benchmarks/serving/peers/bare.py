"""The limit: a Starlette route, msgspec, ONNX Runtime on the loop, orjson; no more.

Rows come by position. `BENCH_FOLDER` has the graph and the places of the texts.
"""

import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

folder = Path(os.environ["BENCH_FOLDER"])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(
    str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
)
inputs = [(one.name, one.type == "tensor(string)") for one in session.get_inputs()]
outputs = [one.name for one in session.get_outputs()]
is_matrix = len(inputs) == 1


class Body(msgspec.Struct):
    rows: list[list[float]] if is_matrix else list[list[float | str]]  # type: ignore[valid-type]


decode = msgspec.json.Decoder(Body).decode


def feed(rows: list[list[Any]]) -> dict[str, Any]:
    if is_matrix:
        return {inputs[0][0]: np.array(rows, dtype=np.float32)}
    return {
        name: np.array(column, dtype=object if is_text else np.float32)[:, None]
        for (name, is_text), column in zip(inputs, zip(*rows, strict=True), strict=True)
    }


async def predict(request: Request) -> Response:
    body = decode(await request.body())
    labels, chances = session.run(outputs, feed(body.rows))
    found = {"predictions": labels.tolist(), "probabilities": chances.tolist()}
    return Response(orjson.dumps(found), media_type="application/json")


async def healthz(_request: Request) -> Response:
    return Response(b"ok")


app = Starlette(
    routes=[Route("/predict", predict, methods=["POST"]), Route("/healthz", healthz)]
)
