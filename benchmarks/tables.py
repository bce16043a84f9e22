"""Generated tables: 15 mixed columns with quotes, embedded newlines and unicode."""

from pathlib import Path

import numpy as np
import polars as pl

CITIES = ["Zürich", "München", "São Paulo", "東京", "Kraków", "İzmir", "Oslo", "Łódź"]
COUNTRIES = ["CH", "DE", "BR", "JP", "PL", "TR", "NO", "US", "FR", "IT"]
STATES = ["new", "paid", "sent", "returned"]
WORDS = ["fine", 'said "hello"', "a, b and c", "naïve", "😀", "plain text", "straße"]


def batch(start: int, rows: int, seed: int) -> pl.DataFrame:
    """Rows `start` to `start + rows`, the same for the same seed."""
    random = np.random.default_rng([seed, start])
    ids = np.arange(start, start + rows)

    def some(values: list[str], count: int = rows) -> list[str]:
        return [values[i] for i in random.integers(0, len(values), count)]

    def often(values: np.ndarray, share: float) -> pl.Series:
        kept = random.random(rows) < share
        return pl.Series(values).zip_with(
            pl.Series(kept), pl.Series([None] * rows, dtype=pl.Series(values).dtype)
        )

    words = np.array([" ".join(some(WORDS, 4)) for _ in range(500)], dtype=object)
    texts = words[random.integers(0, 500, rows)]
    broken = random.random(rows) < 0.02
    texts[broken] = [f"{text}\nsecond line" for text in texts[broken]]
    seconds = random.integers(1_600_000_000, 1_790_000_000, rows)
    return pl.DataFrame(
        {
            "id": ids,
            "created": pl.Series(seconds).cast(pl.Int64) * 1_000_000,
            "day": pl.Series(seconds // 86_400).cast(pl.Int32).cast(pl.Date),
            "age": often(random.integers(18, 99, rows), 0.95),
            "price": np.round(random.gamma(2.0, 40.0, rows), 2),
            "score": often(random.normal(0, 1, rows), 0.3),
            "active": random.random(rows) < 0.5,
            "country": some(COUNTRIES),
            "state": some(STATES),
            "sku": [f"SKU-{n}" for n in random.integers(0, 50_000, rows)],
            "email": [f"user{n}@example.org" for n in ids],
            "city": some(CITIES),
            "note": texts.astype(str),
            "code": [f"{n:06d}" for n in random.integers(0, 1_000_000, rows)],
            "token": [f"{n:032x}" for n in random.integers(0, 2**62, rows)],
        }
    ).with_columns(pl.col("created").cast(pl.Datetime("us")))


def write_csv(path: Path, rows: int, seed: int = 1) -> None:
    """Write `rows` generated rows as CSV, in batches."""
    with path.open("wb") as file:
        for start in range(0, rows, 100_000):
            frame = batch(start, min(100_000, rows - start), seed)
            frame.write_csv(file, include_header=start == 0)


def write_xlsx(path: Path, rows: int, seed: int = 1) -> None:
    """Write `rows` generated rows as the only sheet of a workbook."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("table")
    frame = batch(0, rows, seed)
    sheet.append(frame.columns)
    for row in frame.iter_rows():
        sheet.append(row)
    book.save(path)


def write_parquet(path: Path, rows: int, seed: int = 1) -> None:
    """Write `rows` generated rows as Parquet."""
    batch(0, rows, seed).write_parquet(path, compression="zstd")
