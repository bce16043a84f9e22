"""`make chaos`: FAULTS (200) random faults for each store and executor; SEED repeats.

Prints a table; ends with 1 if a job was lost, done twice or left without its order.
"""

import argparse
import asyncio
import os
import sys

from tests.chaos.places import EXECUTORS, STORES, may_mount
from tests.chaos.running import Report, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=int(_variable("FAULTS", "200")))
    parser.add_argument("--seed", type=int, default=int(_variable("SEED", "1")))
    parser.add_argument("--stores", default=_variable("STORES", ",".join(STORES)))
    parser.add_argument("--executors", default=_variable("EXECUTORS", "embedded"))
    options = parser.parse_args()
    has_small_disk = may_mount()
    if not has_small_disk:
        print("disk full: left out, a small disk may not be mounted here")
    reports = []
    for store in options.stores.split(","):
        for executor in options.executors.split(","):
            if executor not in EXECUTORS:
                parser.error(f"{executor}: not one of {', '.join(EXECUTORS)}")
            running = run(
                store,
                executor,
                faults=options.faults,
                seed=options.seed,
                has_small_disk=has_small_disk,
            )
            report = asyncio.run(running)
            reports.append(report)
            print(line_of(report), flush=True)
    sys.exit(0 if all(report.is_clean for report in reports) else 1)


def _variable(name: str, otherwise: str) -> str:
    return os.environ.get(name) or otherwise


def line_of(report: Report) -> str:
    """A report in a few lines."""
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(report.faults.items()))
    return "\n".join(
        [
            f"{report.store} + {report.executor}, seed {report.seed}: "
            f"{report.faults.total()} faults ({kinds}), {report.jobs} jobs",
            f"  lost {report.lost}, done twice {report.twice}, "
            f"orphans {report.orphans}, stale completions refused {report.refused}",
            f"  worker death to rerun {_seconds(report.after_worker)}; "
            f"server death to rerun {_seconds(report.after_server)}; "
            f"cancel {_seconds(report.cancels)}",
        ]
    )


def _seconds(figures: list[float]) -> str:
    """Median, 99th percentile and largest."""
    if not figures:
        return "not seen"
    ordered = sorted(figures)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]
    median = ordered[len(ordered) // 2]
    return f"p50 {median:.2f} p99 {p99:.2f} max {ordered[-1]:.2f} s (n {len(ordered)})"


if __name__ == "__main__":
    main()
