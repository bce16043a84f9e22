"""The main job, end to end: from a messy file and a trained model to a served API.

The demo uses the public client like any program, shows what it does, and stops with
exit code 1 as soon as something it wants to say is not true. What it compares with,
it knows from elsewhere: the lines of the bad rows from the file it wrote, the
predictions from scikit-learn itself, asked in the training script.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from foretell.client import Client
from foretell.client.shapes import JobEvent, ModelVersion
from foretell.demo import messy
from foretell.demo.messy import MessyFile
from foretell.demo.screen import DemoFailed, Screen, claim
from foretell.demo.server import DemoServer
from foretell.errors import ForetellError, NotFound

DATASET, MODEL, SCORED = "penguins", "species", "penguins-scored"
EMAIL = "demo@example.org"
# Below this an import may be over before anybody can interrupt it.
ROWS_FOR_A_KILL = 200_000
ONE_PENGUIN = {
    "island": "Torgersen",
    "sex": "male",
    "bill_length_mm": 39.1,
    "bill_depth_mm": 18.7,
    "flipper_length_mm": 181,
    "body_mass_g": 3750,
}


def tell(data_dir: Path | None, *, rows: int, keep: bool) -> None:
    """Run the demo.

    Args:
        data_dir: Folder for everything it makes; a throw-away one without.
        rows: Records of the imported file.
        keep: Leave the server and its folder for the user to look at.

    Raises:
        DemoFailed: Something is not as it should be.
    """
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        _run(data_dir.resolve(), rows, keep)
    elif keep:
        _run(Path(tempfile.mkdtemp(prefix="foretell-demo-")), rows, keep)
    else:
        with tempfile.TemporaryDirectory(prefix="foretell-demo-") as folder:
            _run(Path(folder), rows, keep)


def _run(folder: Path, rows: int, keep: bool) -> None:
    screen, server = Screen(), DemoServer(folder)
    # Being told to stop must not leave a server behind.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    finished = False
    try:
        _start(screen, server)
        with server.client() as client:
            file = _make_file(screen, folder, rows)
            _import(screen, server, client, file)
            facts = _train(screen, folder)
            _register(screen, client, folder, facts)
            _predict(screen, client, facts)
            _score(screen, client, file, facts)
            _move_alias(screen, client, folder, facts)
        finished = True
        _sum_up(screen, server, keep)
    except DemoFailed:
        raise
    except ForetellError as error:
        raise DemoFailed(f"{error.detail}\n{server.log_tail()}") from error
    finally:
        if not (keep and finished):
            server.stop()


def _start(screen: Screen, server: DemoServer) -> None:
    screen.step("Start a server on an empty data directory")
    server.make_admin(EMAIL)
    seconds = server.start()
    screen.say(f"{server.url} answers after {seconds:.1f} s; data in {server.data_dir}")


def _make_file(screen: Screen, folder: Path, rows: int) -> MessyFile:
    screen.step("Make a messy file of the real table")
    file = messy.write(folder / "企鹅.csv", rows)
    megabytes = file.path.stat().st_size / 1e6
    screen.done(
        f"{file.path.name}: {rows:,} rows, {megabytes:.0f} MB, semicolons, GB18030, "
        f"{len(file.bad_lines)} bad rows"
    )
    return file


def _import(
    screen: Screen, server: DemoServer, client: Client, file: MessyFile
) -> None:
    is_large = file.records >= ROWS_FOR_A_KILL
    screen.step("Import it" + (", and kill the worker in the middle" * is_large))
    job = client.start_import(DATASET, file.path, options={"types": messy.TYPES})
    screen.say(f"job {job['id']} is accepted")
    killer = _Killer(screen, server, client)
    on_event = killer if is_large else screen.progress
    ended = client.wait_for_job(job["id"], on_event=on_event, timeout_seconds=600)
    claim(ended["state"] == "succeeded", f"the import ended as {ended['state']}")
    if is_large:
        claim(killer.has_killed, "the import was over before its worker was killed")
        claim(killer.was_unpublished, "a half-imported dataset could be read")
    found = client.get_dataset(DATASET)
    screen.done(
        f"version {found['version']}: {found['rows']:,} rows + {found['rejects']} "
        f"rejects = {file.records:,} records of the file; nothing lost"
    )
    claim(found["version"] == 1, "the killed try has published a version")
    claim(
        found["rows"] + found["rejects"] == file.records,
        f"{found['rows']} rows + {found['rejects']} rejects are not {file.records}",
    )
    source = found["source"]
    screen.say(f"found: encoding {source['encoding']}, delimiter {source['delimiter']}")
    claim(source["encoding"].lower().startswith("gb"), "another encoding was found")
    _show_rejects(screen, client, file)


def _show_rejects(screen: Screen, client: Client, file: MessyFile) -> None:
    rejects = client.list_rejects(DATASET)["items"]
    screen.say("rows kept aside, with the line of the file and the reason:")
    screen.table((f"line {r['line']:,}", r["code"], r["reason"]) for r in rejects)
    lines = tuple(reject["line"] for reject in rejects)
    claim(lines == file.bad_lines, f"rejects {lines}, bad lines {file.bad_lines}")


def _train(screen: Screen, folder: Path) -> dict[str, Any]:
    screen.step("Train two scikit-learn pipelines with the shipped script")
    script = [sys.executable, "-m", "foretell.demo.train", str(folder)]
    subprocess.run(script, check=True)  # noqa: S603 - our own module, no shell
    names = ("logistic", "forest")
    facts = {n: json.loads((folder / f"{n}.json").read_text("utf-8")) for n in names}
    for name in names:
        size = (folder / f"{name}.joblib").stat().st_size
        accuracy = facts[name]["accuracy"]
        screen.say(f"{name}.joblib: {size:,} bytes, cross-validated {accuracy:.1%}")
    screen.done("python -m foretell.demo.train FOLDER")
    return facts


def _register(
    screen: Screen, client: Client, folder: Path, facts: dict[str, Any]
) -> None:
    screen.step("Register the first pipeline")
    version = client.add_model(
        MODEL,
        folder / "logistic.joblib",
        metadata={"metrics": {"accuracy": facts["logistic"]["accuracy"]}},
        example=folder / "example.csv",
        timeout_seconds=300,
    )
    inputs = [f"{i['name']}: {i['type']}" for i in version["signature"]["inputs"]]
    screen.say(f"signature: {', '.join(inputs)}")
    found = version["safety"]["globals"]
    screen.say(f"safety gate: {len(found)} names in the pickle, all known")
    _show_parity(screen, version)
    screen.done(f"version {version['version']}, served by engine {version['engine']}")
    client.set_alias(MODEL, "champion", version["version"])


def _show_parity(screen: Screen, version: ModelVersion) -> None:
    """The twin that answers in place of the pickle, and how it was proven."""
    parity = version["parity"]
    accepted = [twin for twin in parity["twins"] if twin["accepted"]]
    claim(bool(accepted), "no ONNX twin was accepted")
    probes = ", ".join(f"{n} {kind}" for kind, n in parity["probes"].items())
    screen.say(f"parity report: {accepted[0]['rows']} rows compared ({probes})")
    largest, allowed = accepted[0]["largest_difference"], parity["tolerance"]
    screen.say(f"  same labels, probabilities within {largest:.1e} of scikit-learn's")
    claim(largest <= allowed, f"the twin differs by more than {allowed}")


def _predict(screen: Screen, client: Client, facts: dict[str, Any]) -> None:
    screen.step("Predict one row")
    times = []
    for _ in range(21):
        started = time.perf_counter()
        answer = client.predict(MODEL, [ONE_PENGUIN])
        times.append((time.perf_counter() - started) * 1000)
    first, usual = times[0], median(times[1:])
    found = answer["predictions"][0]
    screen.say(json.dumps(ONE_PENGUIN))
    screen.say(json.dumps(found) + f"  by version {answer['version']}")
    screen.say(
        f"{first:.1f} ms for the first call, {usual:.1f} ms for 20 more (median)"
    )
    wanted = facts["logistic"]["predictions"][0]
    claim(found["prediction"] == wanted, f"scikit-learn itself says {wanted}")


def _score(
    screen: Screen, client: Client, file: MessyFile, facts: dict[str, Any]
) -> None:
    screen.step("Score the whole table by a job")
    scored = client.score_dataset(MODEL, DATASET, SCORED, timeout_seconds=600)
    expected: Counter[str] = Counter()
    for label, times in zip(
        facts["logistic"]["predictions"], file.sources, strict=True
    ):
        expected[label] += times
    found = {
        label: client.count_rows(SCORED, f"prediction = '{label}'")["count"]
        for label in sorted(expected)
    }
    screen.done(f"{scored['rows']:,} rows in dataset {SCORED}")
    screen.table((label, f"{count:,}") for label, count in found.items())
    claim(scored["rows"] == sum(file.sources), "not every row was scored")
    claim(found == dict(expected), f"scikit-learn itself says {dict(expected)}")
    screen.say("the same figures as scikit-learn itself")


def _move_alias(
    screen: Screen, client: Client, folder: Path, facts: dict[str, Any]
) -> None:
    screen.step("Register the second pipeline and move the alias")
    version = client.add_model(
        MODEL,
        folder / "forest.joblib",
        metadata={"metrics": {"accuracy": facts["forest"]["accuracy"]}},
        example=folder / "example.csv",
        timeout_seconds=300,
    )
    before = client.predict(MODEL, [ONE_PENGUIN])["version"]
    screen.say(f"version {version['version']} is there, version {before} answers")
    client.set_alias(MODEL, "champion", version["version"])
    after = client.predict(MODEL, [ONE_PENGUIN])["version"]
    screen.done(f"champion moved: version {after} answers, without a restart")
    claim(before == 1, f"version {before} answered before the alias moved")
    claim(after == version["version"], f"version {after} answered after it moved")


def _sum_up(screen: Screen, server: DemoServer, keep: bool) -> None:
    print(f"\nAll of it took {screen.seconds:.0f} s.")
    if not keep:
        print("Run foretell demo --keep to look around in it, or: foretell serve")
        return
    print(f"The server stays up at {server.url}  (API: {server.url}/docs)")
    print(f"  sign in      {EMAIL}  {server.password}")
    print(f"  rows         {server.url}/api/datasets/{DATASET}/rows")
    print(f"  command line FORETELL_URL={server.url} ", end="")
    print(f"FORETELL_DATA_DIR={server.data_dir} foretell dataset list")
    print(f"  stop it      kill {server.pid}; rm -r {server.folder}")


class _Killer:
    """Shows an import's progress, and kills its worker once when rows were read."""

    def __init__(self, screen: Screen, server: DemoServer, client: Client) -> None:
        self._screen = screen
        self._server = server
        self._client = client
        self.has_killed = False
        self.was_unpublished = False

    def __call__(self, event: JobEvent) -> None:
        self._screen.progress(event)
        data = event["data"]
        if self.has_killed or not isinstance(data, dict) or data["state"] != "running":
            return
        progress = data["progress"]
        is_reading = (progress["message"] or "").startswith("reading")
        # Near the end the worker might have published before the signal arrives.
        if not is_reading or progress["done"] > 0.9 * progress["total"]:
            return
        pid = self._server.kill_worker()
        self.has_killed = True
        self._screen.say(f"kill -9 {pid}: the worker is dead")
        try:
            self._client.get_dataset(DATASET)
        except NotFound:
            self.was_unpublished = True
            self._screen.say("nothing half-imported can be read: 404")
