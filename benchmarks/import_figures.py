"""`make bench-import`: what an import costs, beside the tools that do less.

A CSV of 15 mixed columns (`ROWS`, 1,000,000 by default) with quotes, embedded line
ends and Unicode becomes a stored version: as it is, with its profile, and with 0.2 %
damaged records; beside `duckdb COPY` to Parquet, which ends at a bad row, and
`pandas.read_csv`, which stores nothing. Then the same file is sent to a server, and the
memory of its processes is watched. Then a workbook of 100,000 rows beside pandas with
openpyxl, and twelve encodings. Every method runs in a process of its own, the methods
of a round one after the other; medians are printed.
"""

import argparse
import csv
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2

from benchmarks import processes, tables

Figures = dict[str, float]
PYTHON = sys.executable
COLUMNS = ("seconds", "cpu_seconds", "peak_mib")
_WATCH_SECONDS = 0.05


def run(method: str, source: Path, folder: Path) -> Figures:
    """One run of one method; what it writes is removed."""
    with tempfile.TemporaryDirectory(dir=folder) as output:
        command = [PYTHON, "-m", "benchmarks.imports", method, str(source), output]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: Figures = json.loads(done.stdout)
    return found


def compare(
    methods: dict[str, tuple[str, Path, int]], folder: Path, rounds: int
) -> dict[str, Figures]:
    """Medians of every method, given its rows; rounds alternate."""
    samples: dict[str, list[Figures]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, (method, source, rows) in methods.items():
            figures = run(method, source, folder)
            if figures["rows"] != rows:
                raise RuntimeError(f"{name}: {figures['rows']} rows of {rows}")
            samples[name].append(figures)
    return {
        name: {key: statistics.median(s[key] for s in taken) for key in taken[0]}
        for name, taken in samples.items()
    }


def show(title: str, found: dict[str, Figures], base: str) -> None:
    print(f"\n{title}")
    print(f"{'':38}" + "".join(f"{column:>14}" for column in COLUMNS))
    for name, figures in found.items():
        print(f"{name:38}" + "".join(f"{figures[key]:14.2f}" for key in COLUMNS))
    for name, figures in found.items():
        if name != base:
            ratio = (f"{key} {figures[key] / found[base][key]:.2f}" for key in COLUMNS)
            print(f"  {name} / {base}: {', '.join(ratio)}")


def import_csv(folder: Path, rows: int, rounds: int) -> None:
    source, damaged = folder / "table.csv", folder / "damaged.csv"
    tables.write_csv(source, rows)
    tables.write_damaged(source, damaged)
    print(f"{rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB; load", load())
    records = run("damaged", damaged, folder)["rows"]
    methods = {
        "Foretell": ("foretell", source, rows),
        "duckdb COPY": ("duckdb", source, rows),
        "Foretell with profile": ("with_profile", source, rows),
        "Foretell, 0.2 % damaged": ("damaged", damaged, int(records)),
        "pandas.read_csv": ("pandas", source, rows),
    }
    found = compare(methods, folder, rounds)
    show(f"Import of {rows:,} rows of CSV", found, "duckdb COPY")
    spoiled, clean = found["Foretell, 0.2 % damaged"], found["Foretell"]
    ratio = (f"{key} {spoiled[key] / clean[key]:.2f}" for key in COLUMNS)
    print(f"  damaged / clean: {', '.join(ratio)}; load {load()}")


def import_workbook(folder: Path, rounds: int, rows: int) -> None:
    source = folder / "table.xlsx"
    tables.write_xlsx(source, rows)
    methods = {
        "Foretell": ("foretell", source, rows),
        "pandas.read_excel, openpyxl": ("read_excel", source, rows),
        "pandas.read_excel, calamine": ("calamine", source, rows),
    }
    found = compare(methods, folder, rounds)
    show(f"Import of {rows:,} rows of XLSX; load {load()}", found, "Foretell")


def encodings(folder: Path) -> None:
    """How many of twelve encodings are found and read as they were written."""
    from foretell.tabular.delimited import import_texts
    from foretell.tabular.messages import ImportRequest

    wrong = []
    for name, text in tables.ENCODED.items():
        source = folder / "encoded.csv"
        source.write_bytes(text.encode(name))
        request = ImportRequest(source=str(source), output=str(folder))
        found = list(import_texts(request, with_rejects=False))
        if found != list(csv.reader(io.StringIO(text))):
            wrong.append(name)
    right = len(tables.ENCODED) - len(wrong)
    print(f"\nEncodings: {right} of {len(tables.ENCODED)} right", *wrong)


# --- memory of a server ----------------------------------------------------------


class Watch(threading.Thread):
    """Looks at a process and all its children until it is stopped.

    Attributes:
        most_pss: MiB of all of them together, shared memory counted once.
        most_rss: MiB of the largest child.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stopped = threading.Event()
        self.most_pss = self.most_rss = 0.0

    def run(self) -> None:
        while not self._stopped.wait(_WATCH_SECONDS):
            pids = [self._pid, *children_of(self._pid)]
            pss = sum(kib(pid, "smaps_rollup", "Pss:") for pid in pids)
            self.most_pss = max(self.most_pss, pss / 1024)
            rss = max((kib(pid, "status", "VmHWM:") for pid in pids[1:]), default=0)
            self.most_rss = max(self.most_rss, rss / 1024)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def children_of(pid: int) -> list[int]:
    """All processes below one (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            own = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in own:
            found += [child, *children_of(child)]
    return found


def kib(pid: int, file: str, key: str) -> int:
    """A figure of one process; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def import_by_server(folder: Path) -> None:
    """Send the table to a server; say what memory its import takes."""
    source, port = folder / "table.csv", processes.free_port()
    environment = {"FORETELL_DATA_DIR": str(folder / "data")}
    url = f"http://127.0.0.1:{port}"

    def tell(*arguments: str, text: str | None = None) -> str:
        return processes.foretell(environment, *arguments, text=text)

    with ExitStack() as stack:
        command = [PYTHON, "-m", "foretell", "serve", "--port", str(port)]
        server = stack.enter_context(
            processes.served(command, f"{url}/healthz", **environment)
        )
        tell("user", "create", "bench@example.org", text="correct horse battery\n")
        key = json.loads(tell("key", "create", "--name", "bench", "--json"))["key"]
        headers = {"Authorization": f"Bearer {key}"}
        watch = Watch(server.pid)
        watch.start()
        started = time.perf_counter()
        with source.open("rb") as file:
            answer = httpx2.post(
                f"{url}/api/datasets",
                params={"name": "bench", "filename": "table.csv"},
                content=iter(lambda: file.read(1 << 20), b""),
                headers={**headers, "Content-Type": "text/csv"},
                timeout=600,
            )
        answer.raise_for_status()
        received = time.perf_counter() - started
        job = answer.headers["Location"]
        while True:
            found = httpx2.get(f"{url}{job}", headers=headers, timeout=60).json()
            if found["state"] not in ("queued", "running"):
                break
            time.sleep(0.1)
        watch.stop()
        if found["state"] != "succeeded":
            raise RuntimeError(found)
        seconds = time.perf_counter() - started - received
        print(
            f"\nBy a server, with profile: received in {received:.1f} s, imported in "
            f"{seconds:.1f} s; largest child {watch.most_rss:.0f} MiB resident (goal "
            f"700), all processes {watch.most_pss:.0f} MiB PSS (goal 1,331); load "
            f"{load()}"
        )
        shutil.rmtree(folder / "data", ignore_errors=True)


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sheet-rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="on a disk with room for it all")
    parser.add_argument("--only", choices=["csv", "server", "xlsx", "encodings"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        if given.only in (None, "csv"):
            import_csv(folder, given.rows, given.rounds)
        if given.only in (None, "server"):
            if not (folder / "table.csv").exists():  # --only server
                tables.write_csv(folder / "table.csv", given.rows)
            import_by_server(folder)
        if given.only in (None, "xlsx"):
            import_workbook(folder, given.rounds, given.sheet_rows)
        if given.only in (None, "encodings"):
            encodings(folder)


if __name__ == "__main__":
    main()
