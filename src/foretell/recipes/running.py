"""Runs recipes in sandboxed children: on whole versions, or on a sample for a look."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from foretell.core.blobs import BlobStore
from foretell.core.scratch import Scratch, ScratchFolder
from foretell.datasets.contents import VersionContents
from foretell.datasets.reading import columns_of
from foretell.datasets.service import DatasetView
from foretell.expressions.own import OwnFunction
from foretell.recipes.messages import (
    InputPart,
    InputTable,
    RunProgress,
    RunRequest,
    RunResult,
)
from foretell.recipes.planning import Columns, Surroundings
from foretell.recipes.recipe import OwnStep, Recipe, read_recipe
from foretell.sandbox.pool import Sandbox
from foretell.tabular.messages import Part
from foretell.tabular.python_steps import PythonStep

RUN_TASK = "recipes.run"
RUN = "foretell.recipes.engine.running:run_recipe"
PRELOAD = ("foretell.recipes.engine.running",)
TIMEOUT_SECONDS = 6 * 3600.0
PREVIEW_ROWS = 1_000
PREVIEW_SECONDS = 30.0

Report = Callable[[RunProgress], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe, the version it is to run on, and the others that it names.

    Attributes:
        others: By the pointer of the step or check.
    """

    recipe: Recipe
    source: DatasetView
    others: Mapping[str, DatasetView]


@dataclass(frozen=True, slots=True)
class Made:
    """What a run left in a folder of this machine, not yet stored."""

    folder: ScratchFolder
    result: RunResult


class RecipeRunner:
    """Reads, plans and runs recipes.

    Args:
        scratch: Where runs get their folders.
        memory_bytes: Most memory one child may take.
        functions, steps: Of extensions, by name.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        blobs: BlobStore,
        scratch: Scratch,
        *,
        memory_bytes: int,
        functions: Mapping[str, OwnFunction],
        steps: Mapping[str, PythonStep],
    ) -> None:
        self._sandbox = sandbox
        self._blobs = blobs
        self._scratch = scratch
        self._memory_bytes = memory_bytes
        self._functions = functions
        self._steps = steps

    def read(self, steps: list[Any], checks: list[Any]) -> Recipe:
        """Read a recipe.

        Raises:
            RecipeInvalid: With a pointer for everything that is wrong.
        """
        return read_recipe(steps, checks, self._steps)

    def plan(self, prepared: Prepared) -> None:
        """Refuse a recipe that does not fit, as far as can be told beforehand.

        Raises:
            RecipeInvalid: With the pointer of what does not fit.
        """
        tables = {here: _columns(view) for here, view in prepared.others.items()}
        surroundings = Surroundings(self._functions, self._steps, tables)
        prepared.recipe.plan(Columns(_columns(prepared.source), surroundings))

    async def run(self, prepared: Prepared, report: Report) -> Made:
        """Run it on all rows; the caller stores or discards what was made."""
        folder = await asyncio.to_thread(self._scratch.make, "recipe")
        try:
            result = await self._run(
                prepared, folder.path, None, TIMEOUT_SECONDS, report
            )
        except BaseException:
            await asyncio.to_thread(folder.remove)
            raise
        return Made(folder, result)

    async def preview(self, prepared: Prepared) -> RunResult:
        """Run it on the first rows, and tell of each step."""
        async with self._scratch.folder("preview") as folder:
            return await self._run(
                prepared, folder, PREVIEW_ROWS, PREVIEW_SECONDS, _ignore
            )

    async def keep(
        self, made: Made, prefix: str, lineage: dict[str, Any]
    ) -> VersionContents:
        """Make parts and rejects blobs below `prefix`."""
        result, folder = made.result, made.folder.path
        parts = [await self._keep_part(part, folder, prefix) for part in result.parts]
        rejects_key = None
        if result.rejects_file is not None:
            kept = await self._keep_part(result.rejects_file, folder, prefix)
            rejects_key = kept["key"]
        return VersionContents(
            columns=msgspec.to_builtins(result.columns),
            rows=result.rows,
            rejects=result.rejects,
            bytes=sum(part.bytes for part in result.parts),
            parts=parts,
            rejects_key=rejects_key,
            source={"kind": "recipe", "recipe": lineage["recipe"]},
            lineage=lineage,
        )

    async def discard(self, made: Made) -> None:
        await asyncio.to_thread(made.folder.remove)

    async def _keep_part(self, part: Part, folder: Path, prefix: str) -> dict[str, Any]:
        key = prefix + part.file
        await self._blobs.put(key, folder / part.file)
        figures = {"rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
        return {"key": key, **figures}

    async def _run(
        self,
        prepared: Prepared,
        folder: Path,
        preview_rows: int | None,
        timeout_seconds: float,
        report: Report,
    ) -> RunResult:
        written = prepared.recipe.to_json()
        used = [step for step in prepared.recipe.steps if isinstance(step, OwnStep)]
        async with AsyncExitStack() as stack:
            table = await self._table(prepared.source, stack)
            others = {
                here: await self._table(view, stack)
                for here, view in prepared.others.items()
            }
            request = RunRequest(
                table=table,
                steps=written["steps"],
                checks=written["checks"],
                others=others,
                functions={n: own.place for n, own in self._functions.items()},
                python_steps={s.step: self._steps[s.step].place for s in used},
                output=str(folder),
                preview_rows=preview_rows,
            )
            tables = (table, *others.values())
            return await self._sandbox.run(
                RUN,
                request,
                RunResult,
                read=[part.path for each in tables for part in each.parts],
                write=[folder],
                memory_bytes=self._memory_bytes,
                timeout_seconds=timeout_seconds,
                on_progress=report,
                progress_type=RunProgress,
            )

    async def _table(self, view: DatasetView, stack: AsyncExitStack) -> InputTable:
        parts = []
        for part in view.shown.parts:
            path = await stack.enter_async_context(self._blobs.local(part["key"]))
            parts.append(InputPart(str(path), part["rows"]))
        return InputTable(parts, columns_of(view.shown))


def report_of(result: RunResult) -> dict[str, Any]:
    """What a run did, for its job and the lineage of its version."""
    return {
        "steps": [
            {
                "step": step.step,
                "rows_in": step.rows_in,
                "rows_out": step.rows_out,
                "changed": step.changed,
                "rejected": step.rejected,
            }
            for step in result.steps
        ],
        "checks": [
            {
                "check": check.check,
                "column": check.column,
                "severity": check.severity,
                "failed": check.failed,
            }
            for check in result.checks
        ],
        "rows_out": result.rows,
        "rejected": result.rejects,
    }


def preview_of(result: RunResult) -> dict[str, Any]:
    """The same for a preview, with rows before and after each step."""
    found = report_of(result)
    for shown, step in zip(found["steps"], result.steps, strict=True):
        shown["before"] = msgspec.json.decode(step.before or b"[]")
        shown["after"] = msgspec.json.decode(step.after or b"[]")
    for shown, check in zip(found["checks"], result.checks, strict=True):
        shown["examples"] = msgspec.json.decode(check.examples or b"[]")
    return {
        **found,
        "columns": msgspec.to_builtins(result.columns),
        "rows": msgspec.json.decode(result.sample or b"[]"),
        "rejects": msgspec.json.decode(result.rejected or b"[]"),
    }


def _columns(view: DatasetView) -> Columns:
    return Columns({column.name: column.type for column in columns_of(view.shown)})


def _ignore(_progress: RunProgress) -> None:
    return None
