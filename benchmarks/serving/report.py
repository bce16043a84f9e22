"""The figures as tables: on the terminal, and as a section of docs/explanation/figures.md."""

import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.serving.measuring import Figures

PAGE = Path(__file__).parents[2] / "docs/explanation/figures.md"
TITLE = "## Beside other servers of models (`make bench-serving`)"
BASE = "bare route"
OURS = "Foretell"


@dataclass(frozen=True, order=True)
class Regime:
    """What is asked, and by how many at once."""

    model: str
    rows: int
    connections: int

    def __str__(self) -> str:
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        return f"{self.model}, {rows}, {self.connections} connections"


@dataclass
class Found:
    """All that was measured.

    Attributes:
        loads: Figures of each round, by regime and contender.
        starts: Seconds, RSS of the first process and PSS of all, of each start.
        missing: Why a contender did not take part.
    """

    loads: dict[tuple[Regime, str], list[Figures]] = field(default_factory=dict)
    starts: dict[tuple[str, str], list[Figures]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def regimes(self) -> list[Regime]:
        return list(dict.fromkeys(regime for regime, _ in self.loads))

    def medians(self, regime: Regime) -> dict[str, Figures]:
        return {n: _medians(f) for (r, n), f in self.loads.items() if r == regime}


def _medians(samples: Sequence[Figures]) -> Figures:
    return {k: statistics.median(s[k] for s in samples) for k in samples[0]}


def lines(found: Found) -> Iterator[str]:
    """Tables in Markdown: one for each regime, one for starts and memory."""
    for regime in found.regimes():
        yield from _loads(regime, found.medians(regime))
    if found.starts:
        yield from _starts(found.starts)
    for name, why in found.missing.items():
        yield f"SKIPPED: {name}: {why}"


def _loads(regime: Regime, medians: Mapping[str, Figures]) -> Iterator[str]:
    yield ""
    yield f"| {regime} | requests/s | p50, ms | p99, ms | CPU, µs | CPU / bare | p50 / bare | CPU / {OURS} |"
    yield "|---|---|---|---|---|---|---|---|"
    bare, ours = medians.get(BASE), medians.get(OURS)
    for name, figures in medians.items():
        yield (
            f"| {name} | {figures['per_second']:,.0f} | {figures['p50_ms']:.2f} | "
            f"{figures['p99_ms']:.1f} | {figures['cpu_us']:,.0f} | "
            f"{_ratio(figures, bare, 'cpu_us')} | {_ratio(figures, bare, 'p50_ms')} | "
            f"{_ratio(figures, ours, 'cpu_us')} |"
        )


def _ratio(figures: Figures, beside: Figures | None, what: str) -> str:
    if beside is None or not beside[what]:
        return ""
    ratio = figures[what] / beside[what]
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _starts(starts: Mapping[tuple[str, str], Sequence[Figures]]) -> Iterator[str]:
    yield ""
    yield "| start and memory | first answer, s | first process, MiB | all processes, MiB |"
    yield "|---|---|---|---|"
    for (model, name), samples in starts.items():
        figures = _medians(samples)
        yield (
            f"| {name}, {model} | {figures['seconds']:.1f} | {figures['rss_mib']:.0f} | "
            f"{figures['pss_mib']:.0f} |"
        )


def section(found: Found, rounds: int, seconds: int) -> str:
    """The section for the page of figures."""
    now = datetime.now(UTC)
    head = [
        TITLE,
        f"{now.day} {now:%B %Y}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f} at the end; "
        f"medians of {rounds} rounds of {seconds} s, in which all took turns. One worker each, the server on one core and wrk on the",
        "other; processor time is that of all processes of a server. Every contender had to answer as scikit-learn does before it was",
        "measured. Foretell checks the key, the scope and every value, counts and logs; the bare route (Starlette, msgspec, ONNX Runtime,",
        "orjson) does nothing of it, and the others check what they check by default. `logistic` is a regression of 30 numbers, `mixed` boosting",
        "behind an encoder, on six numbers and three texts. MLflow serves one function of a model, here the probabilities.",
    ]
    return "\n".join([*head, *lines(found)]) + "\n"


def write_page(text: str) -> None:
    """Put the section onto the page, in place of the last one."""
    page = PAGE.read_text()
    before, found, rest = page.partition(TITLE)
    if not found:
        marker = "## One import"
        before, _, rest = page.partition(marker)
        PAGE.write_text(f"{before}{text}\n{marker}{rest}")
        return
    _, mark, after = rest.partition("\n## ")
    PAGE.write_text(before + text + (f"\n## {after}" if mark else ""))
