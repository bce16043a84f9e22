"""`make chaos`: FAULTS (600) random faults over stores and executors; SEED repeats.

Prints what was found for each store and executor; ends with 1 if a job was lost, done
twice or left without its order.
"""

import argparse
import asyncio
import itertools
import os
import sys
import traceback
from collections import Counter

from tests.chaos.places import EXECUTORS, STORES, is_installed, left_out, may_mount
from tests.chaos.running import Plan, Report, run

# What was set out to be reached, in seconds.
_GOALS = {"after_worker": 1.0, "after_server": 3.0, "cancels": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=int(_variable("FAULTS", "600")))
    parser.add_argument("--seed", type=int, default=int(_variable("SEED", "1")))
    parser.add_argument("--stores", default=_variable("STORES", ",".join(STORES)))
    parser.add_argument("--executors", default=_variable("EXECUTORS", _available()))
    parser.add_argument("--at-once", type=int, default=int(_variable("AT_ONCE", "1")))
    options = parser.parse_args()
    stores, executors = options.stores.split(","), options.executors.split(",")
    for name in executors:
        if name not in EXECUTORS:
            parser.error(f"{name}: not one of {', '.join(EXECUTORS)}")
    for what in left_out():
        print(f"left out: {what}")
    plans = _plans(stores, executors, options.faults, options.seed)
    ended = asyncio.run(_run_all(plans, options.at_once))
    reports = [one for one in ended if isinstance(one, Report)]
    print(summary_of(reports))
    broken = [one for one in ended if isinstance(one, BaseException)]
    for error in broken:
        traceback.print_exception(error)
    is_clean = all(report.is_clean for report in reports)
    sys.exit(0 if is_clean and not broken else 1)


def _variable(name: str, otherwise: str) -> str:
    return os.environ.get(name) or otherwise


def _available() -> str:
    return ",".join(name for name in EXECUTORS if is_installed(name))


def _plans(
    stores: list[str], executors: list[str], faults: int, seed: int
) -> list[Plan]:
    """The faults spread evenly over what there is."""
    pairs = list(itertools.product(stores, executors))
    share, rest = divmod(faults, len(pairs))
    has_small_disk = may_mount()
    return [
        Plan(
            store,
            executor,
            faults=share + (number < rest),
            seed=seed + number,
            has_small_disk=has_small_disk,
        )
        for number, (store, executor) in enumerate(pairs)
    ]


async def _run_all(plans: list[Plan], at_once: int) -> list[Report | BaseException]:
    """What each showed; a run that broke itself keeps no other from its turn."""
    gate = asyncio.Semaphore(at_once)

    async def one(plan: Plan) -> Report:
        async with gate:
            try:
                report = await run(plan)
            except Exception:
                print(f"{plan.store} + {plan.executor}: did not end", flush=True)
                raise
        print(lines_of(report), flush=True)
        return report

    return await asyncio.gather(*map(one, plans), return_exceptions=True)


def lines_of(report: Report) -> str:
    """A report in a few lines."""
    plan, alone = report.plan, report.alone
    assert alone is not None
    return "\n".join(
        [
            f"{plan.store} + {plan.executor}, seed {plan.seed}: "
            f"{report.faults.total()} faults ({_kinds(report.faults)}), "
            f"{report.jobs} jobs, {report.reruns} reruns, {report.seconds:.0f} s",
            f"  lost {report.lost}, done twice {report.twice}, "
            f"orphans {report.orphans}, stale completions refused {report.refused}",
            f"  worker death to rerun {figures(alone.after_worker)}; "
            f"server death to rerun {figures(alone.after_server)}; "
            f"cancel {figures(alone.cancels)}",
            f"  worker death to rerun among the faults {figures(report.amid)}",
        ]
    )


def summary_of(reports: list[Report]) -> str:
    """All runs together, and which goals were met."""
    kinds = sum((report.faults for report in reports), Counter[str]())
    reactions = [report.alone for report in reports if report.alone is not None]
    worker = [s for r in reactions for s in r.after_worker]
    server = [s for r in reactions for s in r.after_server]
    cancels = [s for r in reactions for s in r.cancels]
    embedded = [
        s
        for report in reports
        if report.alone is not None and report.plan.executor == "embedded"
        for s in report.alone.after_worker
    ]
    return "\n".join(
        [
            f"load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores",
            f"together: {kinds.total()} faults ({_kinds(kinds)}), "
            f"{sum(r.jobs for r in reports)} jobs, "
            f"{sum(r.reruns for r in reports)} reruns",
            f"  lost {sum(r.lost for r in reports)}, "
            f"done twice {sum(r.twice for r in reports)}, "
            f"orphans {sum(r.orphans for r in reports)}, "
            f"stale completions refused {sum(r.refused for r in reports)}",
            f"  worker death to rerun {figures(worker)}; embedded: max "
            f"{_against(max(embedded, default=None), _GOALS['after_worker'])}",
            f"  server death to rerun {figures(server)}: max "
            f"{_against(max(server, default=None), _GOALS['after_server'])}",
            f"  cancel {figures(cancels)}: p99 "
            f"{_against(percentile(cancels, 0.99), _GOALS['cancels'])}",
        ]
    )


def _kinds(faults: Counter[str]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(faults.items()))


def _against(seconds: float | None, goal: float) -> str:
    if seconds is None:
        return "not seen"
    word = "met" if seconds <= goal else "missed"
    return f"{seconds:.2f} s, goal {goal:.1f} s {word}"


def percentile(values: list[float], share: float) -> float | None:
    """The value that `share` of all do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]


def figures(seconds: list[float]) -> str:
    """Median, 99th percentile and largest."""
    if not seconds:
        return "not seen"
    median, p99 = percentile(seconds, 0.5), percentile(seconds, 0.99)
    return f"p50 {median:.2f} p99 {p99:.2f} max {max(seconds):.2f} s (n {len(seconds)})"


if __name__ == "__main__":
    main()
