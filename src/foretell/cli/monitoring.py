"""How `foretell model monitoring` draws what a version did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from foretell.cli.output import print_table

_BLOCKS = " ▁▂▃▄▅▆▇█"
_COLUMNS = ("input", "psi", "", "rows", "missing", "example", "calls", "by day")
_SHOWN = 40


def draw(found: Mapping[str, Any], *, limit: int = _SHOWN) -> None:
    """Print the figures of a window, the columns that moved most first."""
    for line in _head(found):
        print(line)
    for title, members, by_day in (
        ("predictions", found["predictions"], "predictions"),
        ("inputs", found["drift"], "drift"),
    ):
        moved = sorted(members, key=lambda one: -(one["psi"] or 0))
        if moved:
            print()
            columns = (title, *_COLUMNS[1:])
            days = [day[by_day] for day in found["days"]]
            print_table(columns, [_row(one, days) for one in moved[:limit]])
        if len(moved) > limit:
            print(f"… and {len(moved) - limit:,} that moved less; --json has them all")
    for note in found["notes"]:
        print(f"\n{note}")


def _head(found: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{found['model']} version {found['version']}, "
        f"{found['from']} to {found['to']} (UTC)"
    )
    problems = ", ".join(f"{n} {c:,}" for n, c in found["errors_by_problem"].items())
    errors = f"{found['errors']:,}" + (f" ({problems})" if problems else "")
    yield f"calls    {found['calls']:,}   errors {errors}   rows {found['rows']:,}"
    latency = found["latency_ms"]
    if latency["p50"] is not None:
        shares = "   ".join(f"{n} {latency[n]:.2f}" for n in ("p50", "p90", "p99"))
        yield f"latency  {shares} ms   {bars(latency['histogram']['counts'])}"
    days = found["days"]
    if len(days) > 1:
        ends = f"{days[0]['day']} … {days[-1]['day']}"
        yield f"by day   {bars([day['calls'] for day in days])}   {ends}"
    others = [v for v in found["versions"] if v["version"] != found["version"]]
    if others:
        calls = ", ".join(f"{v['version']}: {v['calls']:,}" for v in others)
        yield f"calls of other versions   {calls}"


def _row(one: Mapping[str, Any], days: Sequence[Mapping[str, Any]]) -> list[str]:
    *bins, missing = one["bins"]
    share = missing["count"] / one["rows"] if one["rows"] else 0.0
    psi = "" if one["psi"] is None else f"{one['psi']:.3f}"
    daily = [day.get(one["name"]) or 0.0 for day in days]
    return [
        one["name"],
        psi,
        one["level"],
        f"{one['rows']:,}",
        f"{share:.1%}" if share else "",
        bars([each["expected"] or 0 for each in bins]),
        bars([each["count"] for each in bins]),
        bars(daily, least=0.25) if len(days) > 1 else "",
    ]


def bars(values: Sequence[float], *, least: float = 0.0) -> str:
    """Values as blocks of up to eight eighths; what is above nothing shows.

    Args:
        least: What a full block stands for at the least.
    """
    most = max([least, *values])
    if most <= 0:
        return " " * len(values)
    top = len(_BLOCKS) - 1
    return "".join(
        _BLOCKS[max(1, round(value / most * top)) if value > 0 else 0]
        for value in values
    )
