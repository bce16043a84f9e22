"""The limit to compare with: a bare Starlette route, ONNX Runtime inline, orjson.

No credential, no validation against a signature, no versions, no metrics.
Run by uvicorn; `BARE_MODEL` names the ONNX file.
"""

import os

import msgspec
import numpy as np
import onnxruntime
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.environ["BARE_MODEL"], options, providers=["CPUExecutionProvider"]
)
input_name = session.get_inputs()[0].name
output_names = [output.name for output in session.get_outputs()]


class Row(msgspec.Struct):
    features: list[float]


decoder = msgspec.json.Decoder(Row)


async def predict(request: Request) -> Response:
    row = decoder.decode(await request.body())
    values = np.array([row.features], dtype=np.float32)
    label, probabilities = session.run(output_names, {input_name: values})
    body = {"prediction": label[0].item(), "probabilities": probabilities[0].tolist()}
    return Response(orjson.dumps(body), media_type="application/json")


async def healthz(_request: Request) -> Response:
    return Response(b"ok")


app = Starlette(
    routes=[Route("/predict", predict, methods=["POST"]), Route("/healthz", healthz)]
)
