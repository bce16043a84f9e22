"""`make bench-crud`: database routes of Foretell beside its peers, as ratios.

The same PostgreSQL tables for all, one server process on core 0, the load and the
database on core 1, contenders in alternation, medians. Foretell has key, scope,
validation and ETag on; the limit (bare Starlette, asyncpg, orjson) has nothing on.
Before anything is measured, all have to give the same answers. What the figures
mean: docs/explanation/resources.md.
"""

import argparse
import json
import os
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.crud import check, database, measuring, ours, table
from benchmarks.crud.contenders import (
    FOLDER,
    HAND_ORM,
    LIMIT,
    PEERS,
    PEERS_PYTHON,
    Contender,
    serving,
)
from benchmarks.crud.counting_proxy import counting
from benchmarks.crud.measuring import ROUTES, WRITES, Figures, Point

AT_64 = ("list", "get", "create")
Samples = dict[tuple[str, str, int], list[Figures]]


def install_peers() -> None:
    """Make the venv of the peers, once."""
    if PEERS_PYTHON.exists():
        return
    print("installing the peers …", flush=True)
    folder = FOLDER / ".venv"
    uv = os.environ.get("UV", "uv")  # `uv run` tells where it is
    subprocess.run([uv, "venv", "--quiet", str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(PEERS_PYTHON)]
    subprocess.run([*install, "-r", str(FOLDER / "requirements.txt")], check=True)


def compare(contenders: Sequence[Contender], url: str) -> dict[str, Figures]:
    """Demand the same answers of all; give back their round trips."""
    trips: dict[str, Figures] = {}
    base: check.Answers | None = None
    port = urlsplit(url).port or 0  # SQLite has none, and no round trips
    with counting("127.0.0.1", port) as proxy:
        through = url.replace(f":{port}/", f":{proxy.port}/") if port else url
        for contender in contenders:
            with serving(contender, through) as running:
                found = check.answers(running)
                database.restore(url)
                base = found if base is None else base
                if wrong := check.differences(base, found):
                    raise AssertionError(f"{contender.name}: " + "\n".join(wrong))
                if port:
                    trips[contender.name] = check.round_trips(running, proxy)
            database.restore(url)
            print(f"same answers: {contender.name}", flush=True)
    return trips


def measure(
    contenders: Sequence[Contender],
    url: str,
    folder: Path,
    options: argparse.Namespace,
) -> Samples:
    samples: Samples = defaultdict(list)
    for _ in range(options.rounds):
        for contender in contenders:
            with serving(contender, url) as running:
                for route in options.routes:
                    if route == "full" and contender.table != "customers":
                        continue  # the variants have no orders
                    point = Point(running, route, folder)
                    many = [64] if route in AT_64 and not options.quick else []
                    for connections in [16, *many]:
                        samples[contender.name, route, connections].append(
                            point.measure(url, connections, options.seconds)
                        )
                        if route in WRITES:
                            database.restore(url, contender.table)
    return samples


def medians(samples: list[Figures]) -> Figures:
    return {k: statistics.median(s[k] for s in samples) for k in samples[0]}


def choose(options: argparse.Namespace, own: Sequence[Contender]) -> list[Contender]:
    """Who takes part. The limit and most peers know PostgreSQL alone."""
    peers = [LIMIT, *PEERS] if options.database == "postgresql" else [HAND_ORM]
    everyone = [*peers, *own]
    return [c for c in everyone if not options.only or c.name in options.only]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, 0.5 s a point")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--routes", nargs="+", choices=ROUTES, default=ROUTES)
    parser.add_argument("--only", nargs="+", help="names of contenders")
    parser.add_argument(
        "--database", choices=["postgresql", "mysql", "sqlite"], default="postgresql"
    )
    parser.add_argument(
        "--variants", action="store_true", help="rows with owners, audited writes"
    )
    parser.add_argument(
        "--unchecked", action="store_true", help="do not compare answers first"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (0.5 if options.quick else 1.0)
    if not measuring.has_wrk():
        parser.error("wrk is needed: the Debian package of that name")
    install_peers()
    with measuring.temporary_folder() as temporary:
        folder = Path(temporary)
        with database.throw_away(options.database, folder) as url:
            own = ours.contenders_on(url, str(folder / "data"))
            contenders = choose(options, own)
            trips = {} if options.unchecked else compare(contenders, url)
            if options.variants:
                contenders += ours.variants_on(url, str(folder / "data"))
                database.run(url, *ours.COPIES, "VACUUM ANALYZE")
            samples = measure(contenders, url, folder, options)
    figures = {key: medians(taken) for key, taken in samples.items()}
    table.show(figures, trips)
    if options.json:
        options.json.write_text(json.dumps(_as_json(figures, trips), indent=2))


def _as_json(
    figures: dict[tuple[str, str, int], Figures], trips: dict[str, Figures]
) -> dict[str, Any]:
    points = [
        {"contender": name, "route": route, "connections": connections, **found}
        for (name, route, connections), found in figures.items()
    ]
    return {"points": points, "round_trips": trips}


if __name__ == "__main__":
    main()
