"""Publishes a model on a data directory of Foretell, as a user would."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx2
import joblib

from benchmarks import processes
from benchmarks.serving.peers import training


def publish(folder: Path, model: str, environment: Mapping[str, str]) -> str:
    """Upload the model under the name `bench`; gives back a key."""
    artifact = folder / "model.joblib"
    joblib.dump(training.fit(folder.parent, model), artifact)
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "foretell", "serve", "--port", str(port)]

    def run(*arguments: str, text: str | None = None) -> str:
        return processes.foretell(environment, *arguments, text=text)

    with processes.served(command, f"{url}/healthz", **environment):
        run("user", "create", "bench@example.org", text="correct horse battery\n")
        made = json.loads(run("key", "create", "--name", "bench", "--json"))
        key: str = made["key"]
        with artifact.open("rb") as file:
            answer = httpx2.post(
                f"{url}/api/models/bench/versions",
                files={"artifact": file},
                headers={"Authorization": f"Bearer {key}", "Prefer": "wait=60"},
                timeout=90,
            )
        answer.raise_for_status()
        print(f"Foretell, {model}: served by {answer.json()['engine']}", flush=True)
    return key
