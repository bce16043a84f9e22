"""Read every polluted file without a hint; print both scores and the worst files.

`python -m benchmarks.pollock FOLDER`, where FOLDER holds `polluted_files/csv`,
`polluted_files/clean` and `pollock_weights.json` of the published benchmark
(github.com/HPI-Information-Systems/Pollock), which are not part of this repository;
`--data survey_sample` reads the real files that it comes with.
"""

import argparse
import csv
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.pollock.scoring import score, simple, weighted
from foretell.errors import ForetellError
from foretell.tabular.delimited import import_texts
from foretell.tabular.errors import EmptyFile
from foretell.tabular.messages import ImportRequest


def loaded_rows(source: Path, *, only_rows: bool) -> list[list[str]] | None:
    """Return header and records as Foretell reads them, before any type is given.

    A file that is refused as empty is read: nothing is what it holds.

    Args:
        only_rows: Leave out the rejects, which are kept aside with their text.
    """
    with tempfile.TemporaryDirectory() as folder:
        request = ImportRequest(source=str(source), output=folder)
        try:
            return list(import_texts(request, with_rejects=not only_rows))
        except EmptyFile:
            return []
        except ForetellError:
            return None


def clean_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def families(scores: dict[str, float]) -> Iterator[tuple[str, int, float]]:
    """Yield each kind of pollution with its files and their mean score."""
    grouped = defaultdict(list)
    for name, value in scores.items():
        grouped[re.sub(r"\d+.*", "", name.removesuffix(".csv"))].append(value)
    for name, values in sorted(grouped.items(), key=lambda item: min(item[1])):
        yield name, len(values), sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="polluted_files")
    parser.add_argument("--worst", type=int, default=10)
    parser.add_argument("--only-rows", action="store_true")
    given = parser.parse_args()
    folder = given.folder / given.data
    files = sorted(path for path in (folder / "csv").iterdir())
    scores = {}
    for path in files:
        clean = clean_rows(folder / "clean" / path.name)
        scores[path.name] = score(clean, loaded_rows(path, only_rows=given.only_rows))
    print(f"{len(scores)} files, simple {simple(scores):.4f} of 10", end="")
    if given.data == "polluted_files":
        weights = json.loads((given.folder / "pollock_weights.json").read_text())
        print(f", weighted {weighted(scores, weights):.4f} of 10", end="")
    print()
    for name, count, mean in families(scores):
        print(f"{name:40} {count:5} {mean:8.4f}")
    for name in sorted(scores, key=lambda name: scores[name])[: given.worst]:
        print(f"{scores[name]:8.4f}  {name}")


if __name__ == "__main__":
    main()
