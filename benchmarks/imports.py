"""Read one CSV file once, by one method, in this process; print what it took.

`python -m benchmarks.imports METHOD FILE FOLDER` with METHOD one of foretell,
duckdb, pandas. Times leave out the start of Python and the imports of libraries;
the peak is of the whole process.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def foretell(source: Path, folder: Path) -> Callable[[], int]:
    """CSV to Parquet with every bad row kept aside."""
    from foretell.tabular.importing import import_table
    from foretell.tabular.messages import ImportRequest

    request = ImportRequest(source=str(source), output=str(folder))
    return lambda: import_table(request, lambda progress: None).rows


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


METHODS = {"foretell": foretell, "duckdb": duckdb, "pandas": pandas}


def main() -> None:
    method, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    run = METHODS[method](source, folder)
    started, cpu = time.perf_counter(), time.process_time()
    rows = run()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
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
