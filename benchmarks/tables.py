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


_FAULTS = (
    lambda line: line.rstrip(b"\n") + b",more\n",
    lambda line: line.partition(b",")[2],
    lambda line: line.replace(b",", b',"odd" x,', 1),
    lambda line: line.replace(b",", b',"open,', 1),
    lambda line: line.replace(b",", b"\xff,", 1),
    lambda line: b"1,2020-01-01T00:00:00.000000,2020-01-01,old,1.5,,true,CH,new,SKU-1,"
    b"e,Oslo,fine,000001,0\n",
)


def write_damaged(source: Path, target: Path, every: int = 500) -> None:
    """Copy a table of `write_csv`, one record in `every` with a fault.

    In turn: a cell more, a cell less, a stray quote, an open quote, a byte that is not
    UTF-8, a text in a column of numbers (`age`).
    """
    number = 0
    with source.open("rb") as whole, target.open("wb") as file:
        for number, line in enumerate(whole):
            # Records of two lines are left as they are.
            is_due = number % every == every - 1 and line.count(b'"') % 2 == 0
            fault = _FAULTS[number // every % len(_FAULTS)]
            file.write(fault(line) if is_due and b"second line" not in line else line)


ENCODED = {
    "latin-1": "name,city\nJosé,Málaga\nRenée,Besançon\n",
    "cp1252": "name,city\n“Zoë”,Köln – Süd\nFrançois,Orléans €\n",
    "utf-16": "name,city\nŁukasz,Łódź\nİnci,İzmir\n",
    "utf-16-le": "name,city\nŁukasz,Łódź\nİnci,İzmir\n",
    "utf-8-sig": "name,city\nŁukasz,Łódź\n東京,日本\n",
    "utf-8": "name,city\nŁukasz,Łódź\n😀,日本\n",
    "gbk": "姓名,城市\n张伟的朋友,北京市海淀区\n王芳和李娜,上海市浦东新区\n",
    "shift_jis": "名前,都市\n山田太郎さん,東京都千代田区\nスズキ一郎,おおさか\n",
    "cp1251": "имя,город\nИван Петрович,Москва и область\nАнна Сергеевна,Казань\n",
    "euc_kr": "이름,도시\n김철수입니다,서울특별시\n이영희입니다,부산광역시\n",
    "big5": "姓名,城市\n張三豐的朋友,臺北市信義區\n李小龍先生,高雄市左營區\n",
    "koi8-r": "имя,город\nИван Петрович,Москва и область\nАнна Сергеевна,Казань\n",
}
"""Twelve small tables by their encoding."""
