"""`python prepare.py FOLDER MODEL PORT`: the folder that `mlserver start` reads."""

import json
import sys
from pathlib import Path

import joblib

sys.path.insert(0, str(Path(__file__).parents[1]))
import training

folder, model, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
joblib.dump(training.fit(folder.parent, model), folder / "model.joblib")
settings = {
    "host": "127.0.0.1",
    "http_port": port,
    "grpc_port": port + 1,
    "metrics_port": port + 2,
    "debug": False,
}
(folder / "settings.json").write_text(json.dumps(settings))
of_the_model = {
    "name": "bench",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib"},
}
(folder / "model-settings.json").write_text(json.dumps(of_the_model))
