"""Turns a source file into the contents of a version, in a sandboxed child.

The source is opened only there. What the child writes lands in a folder of this
attempt; the files become blobs under a prefix of the job and attempt, and the
version that names them is published in the transaction that completes the job.
An attempt that dies leaves files that nothing names; the next one removes them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from foretell.core.blobs import BlobStore
from foretell.core.ids import new_id
from foretell.core.scratch import Scratch
from foretell.datasets.contents import PROFILE, SourceFile, VersionContents
from foretell.datasets.options import Options
from foretell.datasets.source_files import keep
from foretell.sandbox.pool import Sandbox
from foretell.tabular.messages import (
    ImportLimits,
    ImportRequest,
    ImportResult,
    Part,
    Progress,
)

READER = "foretell.tabular.importing:import_table"
PRELOAD = ("foretell.tabular.importing",)
DRY_RUN_ROWS = 1_000
TIMEOUT_SECONDS = 6 * 3600.0
DRY_RUN_TIMEOUT_SECONDS = 30.0
# Of the processor, by the size of the file as it came: reading a MiB of text takes less
# than a tenth of a second, two where every row is a reject, inflating and reading a
# packed one up to five. What takes longer than this is a file made to never end; a
# small one ends within fifteen seconds.
_CPU_SECONDS = 10
_CPU_SECONDS_PER_MIB = 6

Report = Callable[[Progress], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What an import would make of the first rows."""

    columns: list[dict[str, Any]]
    rows: list[Any]
    rejects: list[Any]
    source: dict[str, Any]
    options: dict[str, Any]


class DatasetImporter:
    """Reads source files into parts.

    Args:
        scratch: Where attempts get their folders.
        memory_bytes: Most memory one child may take.
    """

    def __init__(
        self, sandbox: Sandbox, blobs: BlobStore, scratch: Scratch, memory_bytes: int
    ) -> None:
        self._sandbox = sandbox
        self._blobs = blobs
        self._scratch = scratch
        self._memory_bytes = memory_bytes
        self._limits = ImportLimits(memory_bytes=memory_bytes)

    async def keep_source(
        self, path: Path, sha256: str, size: int, name: str
    ) -> SourceFile:
        """Keep an uploaded file, once per content."""
        return await keep(self._blobs, path, sha256, size, name)

    async def read(
        self,
        source: SourceFile,
        options: Options,
        *,
        prefix: str,
        report: Report,
    ) -> VersionContents:
        """Read all of `source` into blobs under `prefix`.

        Args:
            prefix: Blob prefix of this job; what an earlier attempt left is deleted.
        """
        async with (
            self._scratch.folder("import") as folder,
            self._blobs.local(source.key) as path,
        ):
            request = ImportRequest(
                source=str(path),
                output=str(folder),
                filename=source.filename,
                options=options.for_reader(),
                limits=self._limits,
                profile=True,
            )
            result = await self._run(request, path, folder, report, TIMEOUT_SECONDS)
            await self._blobs.delete(prefix)
            return await self._keep(result, source, folder, f"{prefix}{new_id()}/")

    async def try_out(self, path: Path, filename: str, options: Options) -> DryRun:
        """Read the first rows of a file and keep nothing."""
        async with self._scratch.folder("dry-run") as folder:
            request = ImportRequest(
                source=str(path),
                output=str(folder),
                filename=filename,
                options=options.for_reader(),
                limits=self._limits,
                max_rows=DRY_RUN_ROWS,
            )
            result = await self._run(
                request, path, folder, _ignore, DRY_RUN_TIMEOUT_SECONDS
            )
        return DryRun(
            columns=msgspec.to_builtins(result.columns),
            rows=msgspec.json.decode(result.sample or b"[]"),
            rejects=msgspec.json.decode(result.rejected or b"[]"),
            source=msgspec.to_builtins(result.source),
            options=options.model_dump(mode="json", exclude_none=True),
        )

    async def _run(
        self,
        request: ImportRequest,
        path: Path,
        folder: Path,
        report: Report,
        timeout_seconds: float,
    ) -> ImportResult:
        return await self._sandbox.run(
            READER,
            request,
            ImportResult,
            read=[path],
            write=[folder],
            memory_bytes=self._memory_bytes,
            cpu_seconds=_cpu_seconds(path),
            timeout_seconds=timeout_seconds,
            on_progress=report,
            progress_type=Progress,
        )

    async def _keep(
        self, result: ImportResult, source: SourceFile, folder: Path, prefix: str
    ) -> VersionContents:
        parts = [await self._keep_part(part, folder, prefix) for part in result.parts]
        if result.profile_file is not None:
            key = prefix + result.profile_file
            await self._blobs.put(key, folder / result.profile_file)
            parts[0][PROFILE] = {"key": key, "parts": len(parts)}
        rejects_key = None
        if result.rejects_file is not None:
            kept = await self._keep_part(result.rejects_file, folder, prefix)
            rejects_key = kept["key"]
        described = msgspec.to_builtins(result.source)
        return VersionContents(
            columns=msgspec.to_builtins(result.columns),
            rows=result.rows,
            rejects=result.rejects,
            bytes=sum(part.bytes for part in result.parts),
            parts=parts,
            rejects_key=rejects_key,
            source={
                **described,
                "filename": source.filename,
                "bytes": source.bytes,
                "sha256": source.sha256,
            },
        )

    async def _keep_part(self, part: Part, folder: Path, prefix: str) -> dict[str, Any]:
        key = prefix + part.file
        await self._blobs.put(key, folder / part.file)
        return {
            "key": key,
            "rows": part.rows,
            "bytes": part.bytes,
            "sha256": part.sha256,
        }


def _cpu_seconds(path: Path) -> int:
    """How long the processor may work on a file."""
    return _CPU_SECONDS + (path.stat().st_size * _CPU_SECONDS_PER_MIB >> 20)


def _ignore(_progress: Progress) -> None:
    return None
