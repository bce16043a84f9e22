"""Run by test_peer_clients in an environment of the peers' clients.

`python peer_clients.py triton|kserve HOST:PORT KEY`: metadata, readiness and an
inference of two rows with the client's defaults; prints what came as JSON.
"""

import asyncio
import json
import sys
from typing import Any

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


def triton(address: str, headers: dict[str, str]) -> dict[str, Any]:
    import numpy
    from tritonclient.http import (  # type: ignore[import-not-found]
        InferenceServerClient,
        InferInput,
    )

    client = InferenceServerClient(address)
    rows = InferInput("input", [2, 4], "FP64")
    rows.set_data_from_numpy(numpy.array(ROWS))
    answer = client.infer("iris", [rows], headers=headers)
    index = client.get_model_repository_index(headers=headers)
    return {
        "live": client.is_server_live(headers=headers),
        "ready": client.is_server_ready(headers=headers),
        "model_ready": client.is_model_ready("iris", headers=headers),
        "version_ready": client.is_model_ready("iris", "1", headers=headers),
        "server": client.get_server_metadata(headers=headers)["name"],
        "index": [one["name"] for one in index],
        "inputs": client.get_model_metadata("iris", headers=headers)["inputs"],
        "prediction": [p.decode() for p in answer.as_numpy("prediction")],
        "probabilities": answer.as_numpy("probabilities").tolist(),
    }


def kserve(address: str, headers: dict[str, str]) -> dict[str, Any]:
    import numpy
    from kserve import (  # type: ignore[import-not-found]
        InferenceRESTClient,
        InferInput,
        InferRequest,
    )
    from kserve.inference_client import (  # type: ignore[import-not-found]
        RESTConfig,
    )

    async def ask() -> dict[str, Any]:
        url = f"http://{address}"
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        rows = InferInput("input", [2, 4], "FP64")
        rows.set_data_from_numpy(numpy.array(ROWS), binary_data=True)
        request = InferRequest("iris", [rows])
        answer = await client.infer(url, request, model_name="iris", headers=headers)
        found = {output.name: output for output in answer.outputs}
        return {
            "live": await client.is_server_live(url, headers=headers),
            "ready": await client.is_server_ready(url, headers=headers),
            "model_ready": await client.is_model_ready(url, "iris", headers=headers),
            "prediction": list(found["prediction"].data),
            "probabilities": found["probabilities"].as_numpy().tolist(),
        }

    return asyncio.run(ask())


if __name__ == "__main__":
    which, address, key = sys.argv[1:]
    ask = {"triton": triton, "kserve": kserve}[which]
    print(json.dumps(ask(address, {"Authorization": f"Bearer {key}"})))
