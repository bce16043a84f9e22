"""`make versus`: what the plain patterns and Foretell do, row by row, then how fast.

Needs PostgreSQL on loopback, `redis-server` and the environment in
benchmarks/plain_patterns/.venv, which the make target builds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.databases import throw_away

from benchmarks.versus import general, mails, predictions, speed, uploads, users
from benchmarks.versus.brokers import Redis
from benchmarks.versus.foretell_side import ForetellSide
from benchmarks.versus.plain_side import PlainSide
from benchmarks.versus.rows import ROWS, WORDS, Row, Seen
from benchmarks.versus.sides import Side

# In the order in which they are asked; the last one looks back.
MODULES = (users, uploads, predictions, mails, general)
SIDES: tuple[type[PlainSide | ForetellSide], ...] = (PlainSide, ForetellSide)


@contextmanager
def open_side(kind: type[PlainSide | ForetellSide]) -> Iterator[Side]:
    """One side with a database, a Redis and a folder of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        throw_away("postgresql") as database_url,
        Redis(Path(folder)).running() as redis,
        kind(Path(folder), database_url, redis).running() as side,
    ):
        yield side


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows of these numbers, all without any."""
    homes = [module.__name__ for module in MODULES]
    wanted = [row for row in ROWS if not names or row.number in names]
    return sorted(wanted, key=lambda row: homes.index(row.probe.__module__))


def ask_all(side: Side, rows: Sequence[Row], show: Callable[[str], None]) -> list[Seen]:
    found = []
    for row in rows:
        started = time.perf_counter()
        found.append(row.ask(side))
        show(f"{side.name} {row.number} {time.perf_counter() - started:.1f} s")
    return found


def table(rows: Sequence[Row], found: Sequence[Sequence[Seen]]) -> list[str]:
    """One line a row: its number, the question, both answers."""
    lines = []
    by_number = sorted(
        zip(rows, *found, strict=True), key=lambda line: int(line[0].number[1:])
    )
    for row, *seen in by_number:
        cells = "".join(
            f"{'ok' if s.is_right else '--'} {s.words:{WORDS + 1}}" for s in seen
        )
        lines.append(f"{row.number:4}{row.title:{WORDS + 10}}{cells}".rstrip())
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="numbers, such as D15; all by default")
    parser.add_argument("--only", choices=[side.name.lower() for side in SIDES])
    parser.add_argument("--no-speed", action="store_true", help="rows alone")
    parser.add_argument("--no-rows", action="store_true", help="speed alone")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    started = time.monotonic()
    show = print if options.verbose else lambda _line: None
    rows = [] if options.no_rows else chosen(options.rows)
    with ExitStack() as stack:
        sides = [
            stack.enter_context(open_side(kind))
            for kind in SIDES
            if options.only in (None, kind.name.lower())
        ]
        show(f"started in {time.monotonic() - started:.0f} s")
        found = [ask_all(side, rows, show) for side in sides]
        print("\n".join(table(rows, found)))
        for side, seen in zip(sides, found, strict=True):
            print(f"{side.name}: {sum(s.is_right for s in seen)} of {len(seen)} ok")
        if not options.no_speed:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            print("\n".join(speed.report(sides, folder)))
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
