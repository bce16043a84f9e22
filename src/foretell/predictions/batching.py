"""Batch predictions: a dataset version and a model version make a dataset version."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from foretell.core.blobs import BlobStore
from foretell.core.columns import ColumnType
from foretell.core.scratch import Scratch, ScratchFolder
from foretell.datasets.service import DatasetView
from foretell.errors import FieldError
from foretell.features.definition import Functions
from foretell.models.serving import ServedVersion
from foretell.models.signature import Signature
from foretell.predictions.batch_features import batch_features
from foretell.predictions.batch_messages import (
    BatchFeatures,
    ScoreProgress,
    ScoreRequest,
    ScoreResult,
)
from foretell.predictions.errors import BatchColumnsMissing
from foretell.predictions.sharding import overlapping
from foretell.sandbox.pool import Sandbox
from foretell.tabular.messages import Part

SCORE = "foretell.predictions.scoring:score"
PRELOAD = ("foretell.predictions.scoring", "foretell.tabular.parts")
TIMEOUT_SECONDS = 6 * 3600.0
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DECIMAL})
_FITTING = {
    "boolean": frozenset({ColumnType.BOOLEAN}),
    "integer": _NUMBERS,
    "float": _NUMBERS,
    "text": frozenset({ColumnType.TEXT}),
}

BATCH_TASK, SHARD_TASK = "predictions.batch", "predictions.batch_shard"

Report = Callable[[ScoreProgress], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class _Order:
    """What one child is to do: which rows, beside which columns, and where."""

    rows: range
    keep: list[str]
    features: BatchFeatures | None
    folder: Path


@dataclass(frozen=True, slots=True)
class Scored:
    """Parts in a folder of this machine, not yet stored."""

    folder: ScratchFolder
    parts: list[Part]
    columns: list[dict[str, Any]]
    rows: int


class BatchScorer:
    """Scores dataset versions.

    Args:
        scratch: Where scored parts stand until they are stored.
        memory_bytes: Most memory one child may take.
        allow: The setting `PICKLE_ALLOW`.
        functions: Of extensions, for versions bound to feature sets.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        blobs: BlobStore,
        scratch: Scratch,
        *,
        memory_bytes: int,
        allow: list[str],
        functions: Functions,
    ) -> None:
        self._sandbox = sandbox
        self._blobs = blobs
        self._scratch = scratch
        self._memory_bytes = memory_bytes
        self._allow = allow
        self._functions = functions

    async def score(
        self,
        source: DatasetView,
        version: ServedVersion,
        *,
        rows: range,
        include_inputs: bool,
        report: Report,
    ) -> Scored:
        """Predict rows of `source`; the caller stores or discards the result.

        Args:
            rows: The shard: groups of rows that begin in this range.

        Raises:
            BatchColumnsMissing: The dataset lacks inputs, or has another type.
            BatchRowInvalid, ModelFailed: As the rows and the model say.
        """
        columns = source.shown.columns
        features = None
        if version.features is not None:
            features = batch_features(version.features, columns, self._functions)
        else:
            demand_columns(version.signature, columns)
        kept = [c for c in columns if include_inputs]
        folder = await asyncio.to_thread(self._scratch.make, "batch")
        try:
            names = [str(column["name"]) for column in kept]
            order = _Order(rows, names, features, folder.path)
            result = await self._run(source, version, order, report)
        except BaseException:
            await asyncio.to_thread(folder.remove)
            raise
        new = msgspec.to_builtins(result.columns)
        return Scored(folder, result.parts, [*kept, *new], result.rows)

    async def keep(self, scored: Scored, prefix: str) -> list[dict[str, Any]]:
        """Make the parts blobs below `prefix`: `{key, rows, bytes, sha256}` of each."""
        parts = []
        for part in scored.parts:
            key = f"{prefix}{part.file}"
            await self._blobs.put(key, scored.folder.path / part.file)
            kept = {"rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
            parts.append({"key": key, **kept})
        return parts

    async def discard(self, scored: Scored) -> None:
        await asyncio.to_thread(scored.folder.remove)

    async def _run(
        self,
        source: DatasetView,
        version: ServedVersion,
        order: _Order,
        report: Report,
    ) -> ScoreResult:
        key, sha256 = version.file
        before, stored = overlapping(source.shown.parts, order.rows)
        async with AsyncExitStack() as stack:
            model = await stack.enter_async_context(self._blobs.local(key))
            parts = [
                await stack.enter_async_context(self._blobs.local(part["key"]))
                for part in stored
            ]
            request = ScoreRequest(
                parts=[str(part) for part in parts],
                keep=order.keep,
                output=str(order.folder),
                flavour=version.flavour,
                path=str(model),
                sha256=sha256,
                is_native=version.is_native,
                spec=version.spec,
                signature=version.signature,
                allow=self._allow,
                trust=version.is_trusted,
                features=order.features,
                before=before,
                start=order.rows.start,
                stop=order.rows.stop,
            )
            return await self._sandbox.run(
                SCORE,
                request,
                ScoreResult,
                read=[model, *parts],
                write=[order.folder],
                memory_bytes=self._memory_bytes,
                timeout_seconds=TIMEOUT_SECONDS,
                on_progress=report,
                progress_type=ScoreProgress,
            )


def demand_columns(signature: Signature, columns: list[dict[str, Any]]) -> None:
    """Refuse a dataset that cannot be predicted, naming every column at fault."""
    types = {str(column["name"]): ColumnType(column["type"]) for column in columns}
    errors = []
    for field in signature.inputs:
        found = types.get(field.name)
        pointer = f"/columns/{field.name}"
        if found is None:
            errors.append(FieldError(pointer, "The dataset lacks it.", "missing"))
        elif found not in _FITTING[field.type]:
            message = f"The dataset has {found}, the model takes {field.type}."
            errors.append(FieldError(pointer, message, "type"))
    if errors:
        named = ", ".join(error.pointer.rpartition("/")[2] for error in errors[:5])
        raise BatchColumnsMissing(
            f"The dataset does not fit the model's inputs: {named}.", errors=errors
        )
