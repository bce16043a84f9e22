"""Recipes and features against the same work written by hand, in one run.

    python -m benchmarks.recipes [ROWS]

Batch: a recipe of five steps on single rows, from Parquet to Parquet, against polars by
hand (one lazy query, sunk), each in a process of its own, three rounds in turn; the
recipe also counts what each step did. One row: a feature set of five features against
the hand-written function.
"""

import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

ROUNDS = 3
STEPS = [
    {"step": "trim", "columns": ["name"]},
    {"step": "case", "columns": ["name"], "to": "lower"},
    {"step": "filter", "where": "price > 1.5 AND name <> ''"},
    {"step": "derive", "column": "total", "expression": "price * count / 3"},
    {"step": "fill", "columns": ["city"], "value": "none"},
]
FEATURES = {
    "name": "lower(trim(name))",
    "price": "coalesce(price, 0.0)",
    "ratio": "price / count",
    "year": "year(day)",
    "is_rome": "if(city = 'rome', 1, 0)",
}


def make_table(path: Path, rows: int) -> None:
    import polars as pl

    names = [" Ann ", "BOB", "", "Zoë Straße", None]
    frame = pl.DataFrame({"id": range(rows)}).with_columns(
        name=pl.col("id").map_elements(lambda n: names[n % 5], pl.String),
        price=(pl.col("id") % 977) / 7,
        count=pl.col("id") % 13,
        city=pl.when(pl.col("id") % 3 == 0).then(pl.lit("rome")),
    )
    frame.write_parquet(path, compression="zstd", row_group_size=32_768)


def by_recipe(path: Path, output: Path, rows: int) -> None:
    from foretell.core.columns import Column
    from foretell.recipes.engine.running import run_recipe
    from foretell.recipes.messages import InputPart, InputTable, RunRequest
    from foretell.tabular.profiling import column_type
    from foretell.tabular.stored import StoredPart, schema_of

    schema = schema_of([StoredPart(str(path), rows)])
    columns = [Column(name, column_type(d)) for name, d in schema.items()]
    table = InputTable([InputPart(str(path), rows)], columns)
    request = RunRequest(table, STEPS, [], {}, {}, {}, str(output))
    run_recipe(request, lambda _progress: None)


def by_hand(path: Path, output: Path, rows: int) -> None:
    import polars as pl

    query = (
        pl.scan_parquet(path)
        .with_columns(pl.col("name").str.strip_chars())
        .with_columns(pl.col("name").str.to_lowercase())
        .filter((pl.col("price") > 1.5) & (pl.col("name") != ""))
        .with_columns(total=pl.col("price") * pl.col("count") / 3)
        .with_columns(pl.col("city").fill_null("none"))
    )
    query.sink_parquet(output / "out.parquet", compression="zstd", compression_level=1)


WAYS: dict[str, Callable[[Path, Path, int], None]] = {
    "recipe": by_recipe,
    "by hand": by_hand,
}


def timed(way: str, path: Path, rows: int) -> float:
    """Seconds of one way in a process of its own, imports left out."""
    with tempfile.TemporaryDirectory() as output:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.recipes", way, path, output, str(rows)],
            check=True,
            capture_output=True,
            text=True,
        )
    return float(done.stdout)


def one_row() -> tuple[float, float]:
    """Microseconds of five features of one record: ours, by hand."""
    from datetime import date

    from foretell.core.columns import ColumnType
    from foretell.features.definition import Definition, Feature, Program

    types = {
        "name": ColumnType.TEXT,
        "price": ColumnType.FLOAT,
        "count": ColumnType.INTEGER,
        "day": ColumnType.DATE,
        "city": ColumnType.TEXT,
    }
    features = [Feature(name, text) for name, text in FEATURES.items()]
    compute = Program(Definition("f", 1, features), types, {}).compute
    row = {
        "name": " Zoë ",
        "price": 2.5,
        "count": 3,
        "day": date(2024, 2, 29),
        "city": "rome",
    }

    def hand(row: dict[str, object]) -> dict[str, object]:
        name, price, count = row["name"], row["price"], row["count"]
        day, city = row["day"], row["city"]
        return {
            "name": None if name is None else name.strip().lower(),  # type: ignore[attr-defined]
            "price": 0.0 if price is None else price,
            "ratio": price / count if price is not None and count else None,  # type: ignore[operator]
            "year": None if day is None else day.year,  # type: ignore[attr-defined]
            "is_rome": 1 if city == "rome" else 0,
        }

    if compute(row) != hand(row):
        raise SystemExit("the two differ")
    count = 200_000
    return tuple(  # type: ignore[return-value]
        min(timeit.repeat(lambda f=f: f(row), number=count, repeat=5)) / count * 1e6
        for f in (compute, hand)
    )


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        make_table(path, rows)
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way in WAYS:
                found[way].append(timed(way, path, rows))
    medians = {way: statistics.median(times) for way, times in found.items()}
    for way, seconds in medians.items():
        print(f"{way:8} {seconds:6.2f} s")
    print(f"ratio    {medians['recipe'] / medians['by hand']:6.2f}")
    ours, hand = one_row()
    print(f"one row, five features: {ours:.2f} µs, by hand {hand:.2f} µs")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in WAYS:
        import polars  # noqa: F401 - imports are not what is measured

        import foretell.recipes.engine.running  # noqa: F401

        _, way, source, target, height = sys.argv
        started = time.perf_counter()
        WAYS[way](Path(source), Path(target), int(height))
        print(time.perf_counter() - started)
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
