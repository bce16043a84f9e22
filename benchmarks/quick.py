"""`make bench-quick`: the two figures that matter most, as ratios, in two minutes.

One-row predict: CPU per request of the server process, against a bare Starlette
route on the same model in the same run. Import: seconds, CPU and peak memory of
1,000,000 rows, against `duckdb COPY` (which keeps no bad row) and
`pandas.read_csv` (which stores nothing). Rounds alternate; medians are printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import joblib
import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import processes, tables

PYTHON = sys.executable
SERVER_CPU, LOAD_CPU = 0, 1
Figures = dict[str, float]


def train(folder: Path) -> dict[str, Any]:
    """A logistic regression of 30 features: pickle, ONNX graph, one row."""
    data = load_breast_cancer(as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(data.data, data.target)
    joblib.dump(model, folder / "model.joblib")
    model.fit(data.data.to_numpy(), data.target)
    graph = to_onnx(
        model,
        data.data.to_numpy(dtype=np.float32)[:1],
        options={"zipmap": False},
    )
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    row: dict[str, Any] = data.data.iloc[0].to_dict()
    return row


def start_foretell(
    stack: ExitStack, folder: Path, *, pinned: bool = True, **settings: str
) -> tuple[str, str, int]:
    """A served model; gives the URL, a key and the pid of the API process.

    Args:
        settings: By their variables, such as `FORETELL_RATE_LIMIT`.
    """
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"FORETELL_DATA_DIR": str(folder / "data"), **settings}
    command = [PYTHON, "-m", "foretell", "serve", "--port", str(port)]
    process = stack.enter_context(
        processes.served(
            command,
            f"{url}/healthz",
            cpu=SERVER_CPU if pinned else None,
            **environment,
        )
    )

    def run(*arguments: str, text: str | None = None) -> str:
        return processes.foretell(environment, *arguments, text=text)

    run("user", "create", "bench@example.org", text="correct horse battery\n")
    key = json.loads(run("key", "create", "--name", "bench", "--json"))["key"]
    with (folder / "model.joblib").open("rb") as artifact:
        answer = httpx2.post(
            f"{url}/api/models/bench/versions",
            files={"artifact": artifact},
            headers={"Authorization": f"Bearer {key}", "Prefer": "wait=60"},
            timeout=90,
        )
    answer.raise_for_status()
    return url, key, process.pid


def start_bare(stack: ExitStack, folder: Path) -> tuple[str, int]:
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [PYTHON, "-m", "uvicorn", "benchmarks.bare_route:app"]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--no-server-header"]
    process = stack.enter_context(
        processes.served(
            command,
            f"{url}/healthz",
            cpu=SERVER_CPU,
            BARE_MODEL=str(folder / "model.onnx"),
        )
    )
    return url, process.pid


def predict(folder: Path, *, rounds: int, count: int) -> dict[str, Figures]:
    """CPU µs per request and p50 of both servers at 1 and 64 connections."""
    row = train(folder)
    named = json.dumps({"rows": [row]})
    positional = json.dumps({"features": list(row.values())})
    found: dict[str, Figures] = {}
    with ExitStack() as stack:
        bare, bare_pid = start_bare(stack, folder)
        url, key, pid = start_foretell(stack, folder)
        own = {"Authorization": f"Bearer {key}"}
        target = f"{url}/api/models/bench/predict"
        cases = {
            "bare": (f"{bare}/predict", bare_pid, positional, {}),
            "foretell": (target, pid, named, own),
            "foretell, positional": (target, pid, positional, own),
        }
        for connections in (1, 64):
            samples: dict[str, list[Figures]] = {name: [] for name in cases}
            for turn in range(rounds + 1):
                for name, (address, process, body, headers) in cases.items():
                    before = processes.cpu_seconds(process)
                    load = processes.load(
                        address,
                        headers={"Content-Type": "application/json", **headers},
                        body=body,
                        connections=connections,
                        count=count,
                        cpu=LOAD_CPU,
                    )
                    cpu = processes.cpu_seconds(process) - before
                    if turn:  # the first round warms up
                        samples[name].append(
                            {
                                "cpu_us": cpu / count * 1e6,
                                "p50_ms": load["p50_ms"],
                                "p99_ms": load["p99_ms"],
                                "per_second": count / load["seconds"],
                            }
                        )
            for name, taken in samples.items():
                found[f"{name}, {connections} connections"] = medians(taken)
    return found


def imports(folder: Path, *, rounds: int, rows: int) -> dict[str, Figures]:
    """Seconds, CPU seconds and peak MiB of each method."""
    source = folder / "table.csv"
    tables.write_csv(source, rows)
    samples: dict[str, list[Figures]] = {"foretell": [], "duckdb": [], "pandas": []}
    for _ in range(rounds):
        for name, taken in samples.items():
            with tempfile.TemporaryDirectory(dir=folder) as output:
                command = [
                    PYTHON,
                    "-m",
                    "benchmarks.imports",
                    name,
                    str(source),
                    output,
                ]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            figures = json.loads(done.stdout)
            if figures["rows"] != rows:
                raise RuntimeError(f"{name}: {figures['rows']} rows of {rows}")
            taken.append(figures)
    return {name: medians(taken) for name, taken in samples.items()}


def medians(samples: list[Figures]) -> Figures:
    return {k: statistics.median(s[k] for s in samples) for k in samples[0]}


def show(title: str, found: dict[str, Figures], columns: list[str], base: str) -> None:
    print(f"\n{title}")
    print(f"{'':34}" + "".join(f"{column:>14}" for column in columns))
    for name, figures in found.items():
        cells = "".join(f"{figures[column]:14.2f}" for column in columns)
        print(f"{name:34}{cells}")
    for name, figures in found.items():
        beside = base + name.rpartition(", ")[2] if base.endswith(", ") else base
        if name != beside:
            ratio = ", ".join(
                f"{column} {figures[column] / found[beside][column]:.2f}"
                for column in columns
            )
            print(f"  {name} / {beside}: {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["predict", "imports"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.only != "imports":
            found = predict(folder, rounds=options.rounds, count=options.count)
            columns = ["cpu_us", "p50_ms", "p99_ms", "per_second"]
            show(
                "One-row predict (server CPU µs per request)", found, columns, "bare, "
            )
        if options.only != "predict":
            found = imports(folder, rounds=options.rounds, rows=options.rows)
            columns = ["seconds", "cpu_seconds", "peak_mib"]
            show(f"Import of {options.rows:,} rows", found, columns, "duckdb")
            show("", found, columns, "pandas")


if __name__ == "__main__":
    main()
