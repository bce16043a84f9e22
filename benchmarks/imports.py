"""Read one file once, by one method, in this process; print what it took.

`python -m benchmarks.imports METHOD FILE FOLDER` with METHOD one of foretell (any
file), with_profile and damaged (the same in other ways), duckdb and pandas (CSV), read_excel (pandas with openpyxl), calamine (pandas
with it) and read_parquet (pandas). Times leave out the start of Python and the
imports of libraries; the peak is of the whole process.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def foretell(
    source: Path,
    folder: Path,
    *,
    profile: bool = False,
    types: dict[str, str] | None = None,
) -> Callable[[], int]:
    """Any file to Parquet with every bad row kept aside; gives the records."""
    from foretell.tabular.importing import import_table
    from foretell.tabular.messages import ImportOptions, ImportRequest

    request = ImportRequest(
        source=str(source),
        output=str(folder),
        profile=profile,
        options=ImportOptions(types=types or {}),
    )

    def run() -> int:
        found = import_table(request, lambda progress: None)
        if found.rows + found.rejects != found.records:
            raise RuntimeError("rows and rejects are not all records")
        return found.records

    return run


def with_profile(source: Path, folder: Path) -> Callable[[], int]:
    """The same, and the statistics of every column."""
    return foretell(source, folder, profile=True)


def damaged(source: Path, folder: Path) -> Callable[[], int]:
    """The same of a table with damaged records; gives rows and rejects."""
    return foretell(source, folder, types={"age": "integer"})


def duckdb(source: Path, folder: Path) -> Callable[[], int]:
    """CSV to Parquet; a bad row ends it."""
    import duckdb

    connection = duckdb.connect()
    statement = (
        f"COPY (SELECT * FROM read_csv('{source}')) TO '{folder}/out.parquet' "
        "(FORMAT parquet, COMPRESSION zstd)"
    )
    return lambda: connection.execute(statement).fetchall()[0][0]


def pandas(source: Path, folder: Path) -> Callable[[], int]:
    """CSV to a frame in memory; nothing is stored."""
    import pandas

    return lambda: len(pandas.read_csv(source))


def read_excel(source: Path, folder: Path) -> Callable[[], int]:
    """XLSX to a frame in memory, by openpyxl; nothing is stored."""
    import openpyxl  # noqa: F401 - imported before the clock starts
    import pandas

    return lambda: len(pandas.read_excel(source, engine="openpyxl"))


def calamine(source: Path, folder: Path) -> Callable[[], int]:
    """XLSX to a frame in memory, by the reader that Foretell uses too."""
    import pandas
    import python_calamine  # noqa: F401

    return lambda: len(pandas.read_excel(source, engine="calamine"))


def read_parquet(source: Path, folder: Path) -> Callable[[], int]:
    """Parquet to a frame in memory; nothing is stored."""
    import pandas
    import pyarrow.parquet  # noqa: F401

    return lambda: len(pandas.read_parquet(source))


METHODS = {
    "foretell": foretell,
    "with_profile": with_profile,
    "damaged": damaged,
    "duckdb": duckdb,
    "pandas": pandas,
    "read_excel": read_excel,
    "calamine": calamine,
    "read_parquet": read_parquet,
}


def peak_mib() -> float:
    """Most memory this program held; `ru_maxrss` has that of its parent in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM:")) / 1024


def main() -> None:
    method, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    run = METHODS[method](source, folder)
    started, cpu = time.perf_counter(), time.process_time()
    rows = run()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    peak = peak_mib()
    print(
        json.dumps(
            {
                "rows": rows,
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "peak_mib": peak,
            }
        )
    )


if __name__ == "__main__":
    main()
