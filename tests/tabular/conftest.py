"""What the tests of tables share: run an import and look at what it made."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from foretell.tabular.importing import import_table
from foretell.tabular.messages import (
    ImportLimits,
    ImportOptions,
    ImportRequest,
    ImportResult,
    Progress,
)
from foretell.tabular.stored import StoredPart


@dataclass
class Imported:
    """The result of an import with its rows and rejects read back."""

    result: ImportResult
    frame: pl.DataFrame
    rejects: list[dict[str, Any]]
    parts: list[StoredPart]
    progress: list[Progress]
    folder: Path

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type.value for column in self.result.columns}

    @property
    def findings(self) -> list[str]:
        return [finding.code for finding in self.result.source.findings]


def run_import(
    folder: Path,
    data: bytes,
    *,
    max_rows: int | None = None,
    limits: ImportLimits | None = None,
    **options,
) -> Imported:
    """Import bytes in a fresh folder; options as they come from JSON."""
    work = Path(tempfile.mkdtemp(dir=folder))
    source, output = work / "source", work / "output"
    source.write_bytes(data)
    output.mkdir()
    progress: list[Progress] = []
    request = ImportRequest(
        source=str(source),
        output=str(output),
        filename="table.csv",
        options=msgspec.convert(options, ImportOptions),
        max_rows=max_rows,
        limits=limits or ImportLimits(),
    )
    result = import_table(request, progress.append)
    frames = [pl.read_parquet(output / part.file) for part in result.parts]
    rejects_file = result.rejects_file
    rejects = (
        pl.read_parquet(output / rejects_file.file).to_dicts() if rejects_file else []
    )
    parts = [StoredPart(str(output / part.file), part.rows) for part in result.parts]
    frame = pl.concat(frames) if frames else pl.DataFrame()
    return Imported(result, frame, rejects, parts, progress, output)


@pytest.fixture
def import_bytes(tmp_path: Path) -> Callable[..., Imported]:
    def run(data: bytes | str, **options) -> Imported:
        raw = data.encode() if isinstance(data, str) else data
        return run_import(tmp_path, raw, **options)

    return run
