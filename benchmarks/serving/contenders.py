"""Who takes part: how each is prepared, started, asked, and how it answers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving.data import Row
from benchmarks.serving.environments import PEERS, python_of

Chances = list[list[float]]
_UVICORN = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
_UVICORN += ["--no-server-header", "--log-level", "warning"]


@dataclass(frozen=True)
class Asked:
    """A request with its rows."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Started:
    """What is needed to start a contender on a prepared folder.

    Attributes:
        folder: Where it runs, if it leaves files there.
    """

    command: list[str]
    health: str
    environment: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    folder: Path | None = None


@dataclass(frozen=True)
class Contender:
    """One server.

    Attributes:
        prepare: Makes what it serves in a folder (whose parent has the tables) and says
            how to start it on a port.
        ask: The request of some rows of a model.
        read: The probabilities of each row in an answer.
    """

    name: str
    prepare: Callable[[Path, str, int], Started]
    ask: Callable[[str, Sequence[Row]], Asked]
    read: Callable[[Any], Chances]


def _run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{command[-3:]}: {done.stderr[-2000:]}")


def _positions(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(row.values()) for row in rows]


def _body(**members: Any) -> bytes:
    return json.dumps(members).encode()


# Ours


def _prepare_bare(folder: Path, model: str, port: int) -> Started:
    from benchmarks.serving.graphs import write_graph

    write_graph(folder, model)
    command = [sys.executable, "-m", "uvicorn", "benchmarks.serving.peers.bare:app"]
    command += ["--port", str(port), *_UVICORN]
    return Started(command, "/healthz", {"BENCH_FOLDER": str(folder)})


def _ask_bare(_model: str, rows: Sequence[Row]) -> Asked:
    return Asked("/predict", _body(rows=_positions(rows)))


def _prepare_foretell(folder: Path, model: str, port: int) -> Started:
    from benchmarks.serving.ours import publish

    environment = {"FORETELL_DATA_DIR": str(folder / "data")}
    token = publish(folder, model, environment)
    command = [sys.executable, "-m", "foretell", "serve", "--port", str(port)]
    return Started(command, "/healthz", environment, token)


def _ask_foretell(_model: str, rows: Sequence[Row]) -> Asked:
    path = "/api/models/bench/predict"
    if len(rows) == 1:
        return Asked(path, _body(rows=rows))
    return Asked(path, _body(columns=list(rows[0]), data=_positions(rows)))


def _read_foretell(answer: Any) -> Chances:
    return [list(one["probabilities"].values()) for one in answer["predictions"]]


# Peers


def _prepare_by_hand(folder: Path, model: str, port: int) -> Started:
    home, python = PEERS / "fastapi_hand", str(python_of("fastapi_hand"))
    _run(python, str(home / "prepare.py"), str(folder), model)
    command = [python, "-m", "uvicorn", "--app-dir", str(home), "app:app"]
    command += ["--port", str(port), *_UVICORN]
    return Started(command, "/healthz", {"BENCH_FOLDER": str(folder)})


def _ask_by_hand(_model: str, rows: Sequence[Row]) -> Asked:
    named = [{k.replace(" ", "_"): v for k, v in row.items()} for row in rows]
    if len(rows) == 1:
        return Asked("/predict", json.dumps(named[0]).encode())
    return Asked("/predict_many", _body(rows=named))


def _read_by_hand(answer: Any) -> Chances:
    rows = answer if isinstance(answer, list) else [answer]
    return [row["probabilities"] for row in rows]


def _prepare_mlserver(folder: Path, model: str, port: int) -> Started:
    python = python_of("mlserver")
    script = PEERS / "mlserver/prepare.py"
    _run(str(python), str(script), str(folder), model, str(port))
    command = [str(python.with_name("mlserver")), "start", str(folder)]
    return Started(command, "/v2/health/ready", folder=folder)


def _ask_mlserver(model: str, rows: Sequence[Row]) -> Asked:
    outputs = [{"name": "predict"}, {"name": "predict_proba"}]
    path = "/v2/models/bench/infer"
    columns = [
        {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [row[name] for row in rows],
            **(
                {"parameters": {"content_type": "str"}}
                if isinstance(value, str)
                else {}
            ),
        }
        for name, value in rows[0].items()
    ]
    if model == "mixed":
        as_frame = {"content_type": "pd"}
        return Asked(path, _body(parameters=as_frame, inputs=columns, outputs=outputs))
    matrix = {
        "name": "predict",
        "shape": [len(rows), len(rows[0])],
        "datatype": "FP64",
        "data": _positions(rows),
    }
    return Asked(path, _body(inputs=[matrix], outputs=outputs))


def _read_mlserver(answer: Any) -> Chances:
    tensor = next(o for o in answer["outputs"] if o["name"] == "predict_proba")
    width, flat = tensor["shape"][1], tensor["data"]
    return [flat[at : at + width] for at in range(0, len(flat), width)]


def _prepare_bentoml(folder: Path, model: str, port: int) -> Started:
    home, python = PEERS / "bentoml", python_of("bentoml")
    _run(str(python), str(home / "prepare.py"), str(folder), model)
    command = [str(python), "-m", "bentoml", "serve", "service:Bench"]
    command += ["--working-dir", str(home), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "BENCH_FOLDER": str(folder),
        "BENCH_MODEL": model,
        "BENTOML_HOME": str(folder / "home"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    return Started(command, "/readyz", environment)


def _ask_bentoml(model: str, rows: Sequence[Row]) -> Asked:
    given: Any = list(rows) if model == "mixed" else _positions(rows)
    return Asked("/predict", _body(rows=given))


def _prepare_mlflow(folder: Path, model: str, port: int) -> Started:
    python = python_of("mlflow")
    _run(str(python), str(PEERS / "mlflow/prepare.py"), str(folder), model)
    command = [str(python.with_name("mlflow")), "models", "serve", "--host"]
    command += ["127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--env-manager", "local", "--model-uri", str(folder / "model")]
    path = f"{python.parent}:{os.environ['PATH']}"  # it starts uvicorn by name
    return Started(command, "/ping", {"PATH": path})


def _ask_mlflow(_model: str, rows: Sequence[Row]) -> Asked:
    split = {"columns": list(rows[0]), "data": _positions(rows)}
    return Asked("/invocations", _body(dataframe_split=split))


def _prepare_litserve(folder: Path, model: str, port: int) -> Started:
    home, python = PEERS / "litserve", str(python_of("litserve"))
    _run(python, str(home / "prepare.py"), str(folder), model)
    command = [python, str(home / "app.py"), str(port)]
    return Started(command, "/health", {"BENCH_FOLDER": str(folder)})


def _ask_litserve(_model: str, rows: Sequence[Row]) -> Asked:
    return Asked("/predict", _body(rows=list(rows)))


def _read_lists(answer: Any) -> Chances:
    found: Chances = answer["probabilities"]
    return found


BARE = Contender("bare route", _prepare_bare, _ask_bare, _read_lists)
FORETELL = Contender("Foretell", _prepare_foretell, _ask_foretell, _read_foretell)
BY_HAND = Contender("FastAPI by hand", _prepare_by_hand, _ask_by_hand, _read_by_hand)
CONTENDERS = [
    BARE,
    FORETELL,
    BY_HAND,
    Contender("MLServer", _prepare_mlserver, _ask_mlserver, _read_mlserver),
    Contender("BentoML", _prepare_bentoml, _ask_bentoml, _read_lists),
    Contender(
        "MLflow", _prepare_mlflow, _ask_mlflow, lambda answer: answer["predictions"]
    ),
    Contender("LitServe", _prepare_litserve, _ask_litserve, _read_lists),
]
