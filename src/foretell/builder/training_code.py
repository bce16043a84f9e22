"""The example of `--ml`: a table, a script that trains on it, and tests of both."""

from pathlib import PurePosixPath

from foretell.builder.rendering import Files, import_block, render

_ROWS = 240


def training_files(package: str) -> Files:
    """A small table, the script, and a test from training to prediction."""
    return {
        PurePosixPath("data", "trips.csv"): trips(),
        PurePosixPath(package, "training.py"): render(
            "training.py",
            package=package,
            imports=import_block(
                {
                    "pathlib.Path",
                    "joblib:",
                    "pandas as pd",
                    "sklearn.linear_model.LogisticRegression",
                    "sklearn.pipeline.Pipeline",
                    "sklearn.pipeline.make_pipeline",
                    "sklearn.preprocessing.StandardScaler",
                    f"{package}.features.trips.with_features",
                },
                package,
            ),
        ),
        PurePosixPath(package, "features", "trips.py"): render("features.py"),
        PurePosixPath("tests", "test_training.py"): render(
            "training_test.py",
            package=package,
            imports=import_block(
                {
                    "pathlib.Path",
                    "collections.abc.Awaitable",
                    "collections.abc.Callable",
                    "httpx2.AsyncClient",
                    f"{package}.training.save",
                    f"{package}.training.train",
                },
                package,
            ),
        ),
    }


def trips() -> str:
    """Trips of a delivery service, by arithmetic: the same at every call."""
    lines = ["distance_km,hour,rain,late"]
    for n in range(_ROWS):
        tenths, hour, rain = 5 + n * 37 % 180, n * 7 % 24, int(n % 5 == 0)
        rush = 40 if hour in (7, 8, 9, 16, 17, 18) else 0
        late = tenths + rush + 50 * rain + n * 13 % 30 > 150
        lines.append(f"{tenths / 10},{hour},{rain},{'yes' if late else 'no'}")
    return "\n".join(lines) + "\n"
