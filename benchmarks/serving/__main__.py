"""`make bench-serving`: one prediction of Foretell beside those of other servers.

A bare route (Starlette, ONNX Runtime), FastAPI with a pickle as it is written by hand,
MLServer, BentoML, MLflow and LitServe, each in an environment of its own that is made
when it is first needed; one that cannot be made is left out and named. wrk asks, all
take turns, medians are shown, with ratios to the bare route and to Foretell.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import processes, trees
from benchmarks.serving import data, measuring, report
from benchmarks.serving.contenders import CONTENDERS, Contender, Started
from benchmarks.serving.environments import NotInstalled
from benchmarks.serving.report import Found, Regime

ONE, MANY = (1, 16, 64), (1, 16, 64)
Prepared = dict[tuple[str, str], tuple[Contender, Started, int]]


def prepare(
    chosen: Sequence[Contender], models: Sequence[str], folder: Path, found: Found
) -> Prepared:
    """Make what each contender serves; note those that cannot take part."""
    prepared: Prepared = {}
    for contender in chosen:
        for model in models:
            own = folder / f"{contender.name}-{model}".replace(" ", "-")
            own.mkdir()
            port = processes.free_port()
            try:
                started = contender.prepare(own, model, port)
            except (NotInstalled, RuntimeError) as error:
                _leave_out(contender, model, str(error), found)
                continue
            prepared[model, contender.name] = contender, started, port
    return prepared


def _leave_out(contender: Contender, model: str, why: str, found: Found) -> None:
    why = " ".join(why.split())[-500:]
    print(f"SKIPPED: {contender.name}, {model}: {why}", file=sys.stderr, flush=True)
    found.missing[f"{contender.name}, {model}"] = why


def measure(
    prepared: Prepared, folder: Path, options: argparse.Namespace, found: Found
) -> None:
    """Run every contender `rounds` times, in turns."""
    answers = {model: data.answers(folder, model) for model, _ in prepared}
    for turn in range(options.rounds):
        for key in list(prepared):
            model, name = key
            if f"{name}, {model}" in found.missing:
                continue
            try:
                _measure_one(
                    model, prepared[key], answers[model], folder, options, found
                )
            except RuntimeError as error:
                _leave_out(prepared[key][0], model, str(error), found)
            print(f"round {turn + 1}: {name}, {model}", flush=True)


def _measure_one(
    model: str,
    prepared: tuple[Contender, Started, int],
    wanted: list[list[float]],
    folder: Path,
    options: argparse.Namespace,
    found: Found,
) -> None:
    contender, started, port = prepared
    rows = data.rows(folder, model)
    first = contender.ask(model, rows[:1])
    with measuring.serving(contender, started, port, first) as running:
        measuring.demand_same(running, model, rows, wanted)
        rss, pss = trees.memory_mib(running.process.pid)
        found.starts.setdefault((model, contender.name), []).append(
            {"seconds": running.start_seconds, "rss_mib": rss, "pss_mib": pss}
        )
        for count, connections in options.points:
            figures = measuring.measure(
                running,
                contender.ask(model, rows[:count]),
                folder,
                connections=connections,
                seconds=options.seconds,
            )
            regime = Regime(model, count, connections)
            found.loads.setdefault((regime, contender.name), []).append(figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each load")
    parser.add_argument("--only", nargs="+", help="names of contenders")
    parser.add_argument("--models", nargs="+", default=list(data.MODELS))
    parser.add_argument(
        "--quick", action="store_true", help="one round, 1 s, one row alone"
    )
    parser.add_argument(
        "--write", action="store_true", help="into docs/explanation/figures.md"
    )
    options = parser.parse_args()
    options.points = [(1, n) for n in ONE] + [(data.MANY, n) for n in MANY]
    if options.quick:
        options.rounds, options.seconds, options.points = 1, 1, [(1, 1), (1, 64)]
    if not measuring.has_wrk():
        parser.error("wrk is needed: the Debian package of that name")
    names = [contender.name for contender in CONTENDERS]
    if unknown := set(options.only or []) - set(names):
        parser.error(f"no contender {', '.join(unknown)}; there are {', '.join(names)}")
    chosen = [c for c in CONTENDERS if not options.only or c.name in options.only]
    found = Found()
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as temporary:
        folder = Path(temporary)
        data.write(folder)
        prepared = prepare(chosen, options.models, folder, found)
        measure(prepared, folder, options, found)
    print("\n".join(report.lines(found)))
    if options.write:
        report.write_page(report.section(found, options.rounds, options.seconds))


if __name__ == "__main__":
    main()
