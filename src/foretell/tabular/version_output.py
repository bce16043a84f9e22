"""The rows and rejects that one pass over a file makes: as files, or kept in memory.

Whatever the file was, a version is written the same way; a dry run keeps its few
rows instead. What an unfinished pass has written is taken back.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from foretell.core.columns import Column
from foretell.tabular.messages import (
    ImportRequest,
    ImportResult,
    Part,
    SourceDescription,
)
from foretell.tabular.parts import PartWriter, describe_part
from foretell.tabular.passing_profile import PassingProfile
from foretell.tabular.rejects import Reject, RejectWriter, rejects_json
from foretell.tabular.row_bytes import json_rows

_PROFILE_FILE = "profile.json"
_REJECTS_FILE = "rejects.parquet"


class VersionOutput:
    """Takes the rows and rejects of a file in order.

    Leaving the `with` block without `finish` takes everything back.

    Attributes:
        rows: Rows taken so far.
    """

    def __init__(self, request: ImportRequest) -> None:
        folder = Path(request.output)
        self._is_dry = request.max_rows is not None
        self._parts = PartWriter(folder)
        self._rejects = RejectWriter(folder / _REJECTS_FILE, keep=self._is_dry)
        self._kept: list[pl.DataFrame] = []
        self._folder = folder
        is_profiled = request.profile and not self._is_dry
        self._profile = PassingProfile(folder) if is_profiled else None
        self._is_finished = False
        self.rows = 0

    @property
    def rejects(self) -> int:
        """Rejects taken so far."""
        return self._rejects.count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_finished:
            self._parts.discard()
            self._rejects.discard()
            if self._profile is not None:
                self._profile.discard()

    def add(self, frame: pl.DataFrame) -> None:
        """Take the next rows."""
        self.rows += frame.height
        if self._is_dry:
            self._kept.append(frame)
        else:
            self._parts.add(frame)
            if self._profile is not None:
                self._profile.add(frame)

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Take the next rejects, in the order of their lines."""
        self._rejects.add(rejects)

    def finish(
        self,
        columns: list[Column],
        schema: dict[str, pl.DataType],
        records: int,
        source: SourceDescription,
    ) -> ImportResult:
        """Complete the files and say what they hold.

        Args:
            schema: The polars types of the columns, for a table without rows.
            records: Records of the file.
        """
        empty = pl.DataFrame(schema=schema)
        sample = pl.concat([empty, *self._kept]) if self._is_dry else None
        written = [] if self._is_dry else self._parts.finish(empty)
        if self._is_dry:
            self._parts.discard()
        profile_file = self._write_profile(empty, written)
        self._rejects.close()
        self._is_finished = True
        count, path = self._rejects.count, self._rejects.path
        has_file = count > 0 and not self._is_dry
        return ImportResult(
            columns=columns,
            rows=self.rows,
            rejects=count,
            records=records,
            parts=written,
            rejects_file=describe_part(path, count) if has_file else None,
            source=source,
            profile_file=profile_file,
            sample=None if sample is None else json_rows(sample),
            rejected=rejects_json(self._rejects.kept) if self._is_dry else None,
        )

    def _write_profile(self, empty: pl.DataFrame, parts: list[Part]) -> str | None:
        if self._profile is None:
            return None
        paths = [self._folder / part.file for part in parts]
        found = self._profile.finish(empty, paths)
        if found is None:
            return None
        (self._folder / _PROFILE_FILE).write_bytes(found)
        return _PROFILE_FILE
