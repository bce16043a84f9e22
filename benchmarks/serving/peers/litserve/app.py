"""A model behind LitServe; `python app.py PORT`."""

import os
import sys
from pathlib import Path
from typing import Any

import joblib
import litserve
import pandas as pd


class Bench(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = joblib.load(Path(os.environ["BENCH_FOLDER"]) / "model.joblib")

    def decode_request(self, request: dict[str, Any]) -> Any:
        return pd.DataFrame(request["rows"])

    def predict(self, given: Any) -> Any:
        return self.model.predict(given), self.model.predict_proba(given)

    def encode_response(self, found: Any) -> dict[str, Any]:
        labels, chances = found
        return {"predictions": labels.tolist(), "probabilities": chances.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Bench(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        generate_client_file=False,
        log_level="warning",
    )
