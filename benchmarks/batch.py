"""`make bench-batch`: a dataset predicted Parquet to Parquet, beside the same by hand.

By hand is a script that reads row groups, asks the engine and writes row groups, all
after its imports: scikit-learn itself and ONNX Runtime, of which the cheaper counts. Ours is
the whole job as a client asks for it: claims, shards, sandboxed children, the opening
of the model, checksums and publishing, in all processes of the server. The CPU of the
server while it idles is taken off. Rounds alternate; medians are printed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import polars as pl

from benchmarks import processes
from benchmarks.quick import Figures, medians, show

COLUMNS = [f"x{number:02d}" for number in range(30)]
GROUP_ROWS = 32_768
_TICKS = os.sysconf("SC_CLK_TCK")


def train(kind: str, folder: Path) -> None:
    """A pickle, and the ONNX graph that converters make of it by default."""
    import joblib
    from skl2onnx import to_onnx
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values, labels = make_classification(4_000, 30, random_state=0)
    model: Any = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    if kind == "forest":
        model = RandomForestClassifier(100, max_depth=8, random_state=0)
    model.fit(pl.DataFrame(values, schema=COLUMNS).to_pandas(), labels)
    joblib.dump(model, folder / f"{kind}.joblib")
    model.fit(values, labels)
    graph = to_onnx(model, values[:1].astype(np.float32), options={"zipmap": False})
    (folder / f"{kind}.onnx").write_bytes(graph.SerializeToString())


def write_rows(path: Path, rows: int) -> None:
    """The dataset, in row groups, with few of its rows in memory."""
    import pyarrow.parquet as pq

    chance = np.random.default_rng(5)
    writer: Any = None
    for start in range(0, rows, GROUP_ROWS):
        size = min(GROUP_ROWS, rows - start)
        frame = pl.DataFrame(chance.normal(0, 1, (size, 30)), schema=COLUMNS)
        table = frame.to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()


def by_hand(engine: str, model: Path, source: Path, output: Path) -> Figures:
    """What one process takes after its imports; prints itself as JSON."""
    import pyarrow.parquet as pq

    if engine == "onnxruntime":
        import onnxruntime
    else:
        import joblib
    before, started = time.process_time(), time.perf_counter()
    if engine == "onnxruntime":
        session = onnxruntime.InferenceSession(model.with_suffix(".onnx"))
    else:
        pickled = joblib.load(model.with_suffix(".joblib"))
    writer: Any = None
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches(GROUP_ROWS):
            frame = pl.DataFrame(batch)
            if engine == "onnxruntime":
                values = frame.to_numpy().astype(np.float32)
                labels, scores = session.run(None, {"X": values})
            else:
                scores = pickled.predict_proba(frame.to_pandas())
                labels = pickled.classes_[scores.argmax(axis=1)]
            made = pl.DataFrame(
                {
                    "prediction": labels,
                    "probability_0": scores[:, 0].astype(np.float64),
                    "probability_1": scores[:, 1].astype(np.float64),
                }
            ).to_arrow()
            writer = writer or pq.ParquetWriter(
                output, made.schema, compression="zstd", compression_level=1
            )
            writer.write_table(made)
    writer.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - before,
        "peak_mib": usage.ru_maxrss / 1024,
    }


class Tree:
    """The CPU and the largest process of a server and all below it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak_mib = 0.0
        self._over = threading.Event()

    def cpu_seconds(self) -> float:
        """With that of children that ended and were waited for."""
        total = 0.0
        for pid in self._pids():
            fields = _stat(pid)
            total += sum(map(int, fields[11:15])) / _TICKS if fields else 0.0
        return total

    def watch(self) -> None:
        while not self._over.wait(0.02):
            for pid in self._pids():
                self.peak_mib = max(self.peak_mib, _resident_mib(pid))

    def end(self) -> None:
        self._over.set()

    def _pids(self) -> list[int]:
        below: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*"):
            fields = _stat(int(path.name))
            if fields:
                below.setdefault(int(fields[1]), []).append(int(path.name))
        found = [self._pid]
        for pid in found:
            found += below.get(pid, [])
        return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _resident_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(next(lines, "x 0").split()[1]) / 1024


class Ours:
    """A served application with the dataset and the models in it."""

    def __init__(self, stack: ExitStack, folder: Path, source: Path) -> None:
        port = processes.free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {"FORETELL_DATA_DIR": str(folder / "data")}
        command = [sys.executable, "-m", "foretell", "serve", "--port", str(port)]
        server = processes.served(command, f"{url}/healthz", **environment)
        self._tree = Tree(stack.enter_context(server).pid)
        text = "correct horse battery\n"
        processes.foretell(environment, "user", "create", "b@example.org", text=text)
        key = json.loads(
            processes.foretell(environment, "key", "create", "--name", "b", "--json")
        )["key"]
        headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=60"}
        self._client = stack.enter_context(
            httpx2.Client(base_url=url, headers=headers, timeout=90)
        )
        with source.open("rb") as file:
            self._client.post(
                "/api/datasets?name=rows", content=file
            ).raise_for_status()
        self._rounds = 0

    def add(self, kind: str, folder: Path) -> None:
        with (folder / f"{kind}.joblib").open("rb") as artifact:
            answer = self._client.post(
                f"/api/models/{kind}/versions", files={"artifact": artifact}
            )
        answer.raise_for_status()
        print(f"{kind}: answered by {answer.json()['engine']}")

    def batch(self, kind: str, rows: int) -> Figures:
        self._rounds += 1
        idle = self._idle_share()
        before, started = self._tree.cpu_seconds(), time.perf_counter()
        self._tree.peak_mib = 0.0
        watcher = threading.Thread(target=self._tree.watch, daemon=True)
        watcher.start()
        answer = self._client.post(
            f"/api/models/{kind}/batch",
            json={"dataset": "rows", "output": f"out-{kind}-{self._rounds}"},
            headers={"Prefer": "wait=0"},
        )
        answer.raise_for_status()
        job = answer.json()
        while job["state"] in ("queued", "running"):
            time.sleep(0.02)
            job = self._client.get(f"/api/jobs/{job['id']}").json()
        seconds = time.perf_counter() - started
        cpu = self._tree.cpu_seconds() - before
        self._tree.end()
        watcher.join()
        self._tree._over.clear()
        if job["state"] != "succeeded":
            raise RuntimeError(job["error"])
        made = self._client.get(f"/api/datasets/out-{kind}-{self._rounds}").json()
        if made["rows"] != rows:
            raise RuntimeError(f"{made['rows']} rows of {rows}")
        return {
            "seconds": seconds,
            "cpu_seconds": cpu - idle * seconds,
            "peak_mib": self._tree.peak_mib,
        }

    def _idle_share(self) -> float:
        """CPU a second of the idle server, when jobs before have settled."""
        time.sleep(2)
        before = self._tree.cpu_seconds()
        time.sleep(2)
        return (self._tree.cpu_seconds() - before) / 2


def compare(
    kind: str, folder: Path, ours: Ours, *, rows: int, rounds: int
) -> dict[str, Figures]:
    ours.add(kind, folder)
    samples: dict[str, list[Figures]] = {
        name: [] for name in ("onnxruntime", "sklearn", "foretell")
    }
    for _ in range(rounds):
        for name, taken in samples.items():
            if name == "foretell":
                taken.append(ours.batch(kind, rows))
                continue
            command = [sys.executable, "-m", "benchmarks.batch", "--by-hand", name]
            command += ["--model", str(folder / kind), "--folder", str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            taken.append(json.loads(done.stdout))
    found = {name: medians(taken) for name, taken in samples.items()}
    base = min(("onnxruntime", "sklearn"), key=lambda n: found[n]["cpu_seconds"])
    title = f"{rows:,} rows of 30 columns, {kind}"
    show(title, found, ["seconds", "cpu_seconds", "peak_mib"], base)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--by-hand", choices=["onnxruntime", "sklearn"])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.by_hand:
        source, output = options.folder / "rows.parquet", options.folder / "hand"
        print(json.dumps(by_hand(options.by_hand, options.model, source, output)))
        return
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        source = folder / "rows.parquet"
        write_rows(source, options.rows)
        ours = Ours(stack, folder, source)
        for kind in ("logistic", "forest"):
            train(kind, folder)
            compare(kind, folder, ours, rows=options.rows, rounds=options.rounds)


if __name__ == "__main__":
    main()
