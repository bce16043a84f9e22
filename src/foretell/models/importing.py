"""Turns an uploaded artifact into what a version is made from, in a sandboxed child.

The artifact becomes a blob under the id of the version to be before the job starts,
so nothing is copied when it is published. The file is opened only in the child; what
a refused one leaves behind is removed at once, since nobody should keep a hostile
file by accident.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict

from foretell.core.blobs import BlobStore
from foretell.core.ids import new_id
from foretell.core.scratch import Scratch
from foretell.errors import ForetellError, NotFound, Unavailable
from foretell.models.errors import FeaturesMissing, UploadRemoved
from foretell.models.reports import InspectProgress, InspectRequest, InspectResult
from foretell.sandbox.pool import Sandbox

INSPECT = "foretell.models.inspecting:inspect_artifact"
PRELOAD = (
    "foretell.models.inspecting",
    "foretell.plugins.flavours.sklearn",
    "foretell.plugins.flavours.onnx",
    "foretell.plugins.flavours.torch",
    "foretell.plugins.flavours.keras",
    "foretell.plugins.engines.onnxruntime",
    "foretell.plugins.engines.linear",
    # What nearly every pickle asks for: importing it takes longer than all the rest
    # of an inspection, and a child forked from here has it already.
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.neighbors",
    "sklearn.pipeline",
    "skl2onnx",
)
TIMEOUT_SECONDS = 1800.0
STEPS = ("gate", "load", "probe", "convert", "compare", "measure")
_EXAMPLE_SUFFIXES = frozenset({".csv", ".json", ".parquet", ".ndjson"})

Report = Callable[[InspectProgress], Awaitable[None] | None]


class Uploaded(BaseModel):
    """A stored upload on its way to be a version; the arguments of its job.

    Attributes:
        example: Suffix of the stored example (`.csv` …); none without one.
        names: Names of the inputs, where the uploader gave them.
        features: The feature set that it is bound to, as it is now.
        found: What there was under the model's name when the upload came.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    model_id: str
    version_id: str
    filename: str
    bytes: int
    sha256: str
    example: str | None = None
    flavour: str | None = None
    names: list[str] | None = None
    metrics: dict[str, bool | int | float | str | None] = {}
    description: str = ""
    engine: str = "auto"
    tolerance: float = 1e-6
    trust: bool = False
    features: dict[str, Any] | None = None
    found: Literal["nothing", "empty", "versions"] = "versions"

    @property
    def prefix(self) -> str:
        """Prefix of all blobs of the version."""
        return f"models/{self.model_id}/{self.version_id}/"

    @property
    def artifact_key(self) -> str:
        return f"{self.prefix}artifact"

    @property
    def example_key(self) -> str | None:
        return None if self.example is None else f"{self.prefix}example{self.example}"


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the inspection found, and where the engine's file is kept."""

    result: InspectResult
    twin_key: str | None

    def demand_features(self, uploaded: Uploaded) -> None:
        """Refuse a feature set that lacks inputs of the model.

        Raises:
            FeaturesMissing: With each input that it lacks.
        """
        if uploaded.features is None:
            return
        made = {feature["name"] for feature in uploaded.features["features"]}
        lacking = [n for n in self.result.signature.names if n not in made]
        if lacking:
            raise FeaturesMissing(str(uploaded.features["name"]), lacking)

    def columns(self, uploaded: Uploaded) -> dict[str, Any]:
        """The columns of the version's row."""
        result = self.result
        return {
            "flavour": result.flavour,
            "engine": result.engine,
            "signature": msgspec.to_builtins(result.signature),
            "spec": msgspec.to_builtins(result.spec),
            "metrics": uploaded.metrics,
            "libraries": msgspec.to_builtins(result.libraries),
            "safety": msgspec.to_builtins(result.safety),
            "parity": msgspec.to_builtins(result.parity),
            "warnings": result.warnings,
            "features": uploaded.features,
            "description": uploaded.description,
            "filename": uploaded.filename,
            "sha256": result.sha256,
            "bytes": result.bytes,
            "is_trusted": uploaded.trust,
            "artifact_key": uploaded.artifact_key,
            "twin_key": self.twin_key,
            "twin_sha256": result.twin.sha256 if result.twin else None,
            "one_row_us": result.one_row_us,
            "hundred_rows_us": result.hundred_rows_us,
            "baseline": result.baseline and msgspec.to_builtins(result.baseline),
        }


class ModelImporter:
    """Keeps uploads and inspects them.

    Args:
        scratch: Folder for work in progress, on the disk of this machine.
        memory_bytes: Most memory one inspection may take.
        allow, pickle: The settings `PICKLE_ALLOW` and `PICKLE`.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        blobs: BlobStore,
        scratch: Scratch,
        *,
        memory_bytes: int,
        allow: list[str],
        pickle: Literal["gate", "forbid"],
    ) -> None:
        self._sandbox = sandbox
        self._blobs = blobs
        self._scratch = scratch
        self._memory_bytes = memory_bytes
        self._allow = allow
        self._pickle = pickle

    async def keep(
        self, uploaded: Uploaded, artifact: Path, example: Path | None
    ) -> None:
        """Make the files of an upload blobs."""
        await self._blobs.put(uploaded.artifact_key, artifact)
        if example is not None and uploaded.example_key is not None:
            await self._blobs.put(uploaded.example_key, example)

    async def drop(self, uploaded: Uploaded) -> None:
        """Remove what `keep` stored."""
        await self._blobs.delete(uploaded.prefix)

    async def inspect(self, uploaded: Uploaded, report: Report) -> Inspected:
        """Judge, load, describe and convert the artifact.

        Raises:
            ModelRefused, ModelUnreadable, ModelUnusable, ExampleUnreadable: As the
                inspection says; the files are removed then.
            UploadRemoved: An earlier try of the job has done that.
        """
        try:
            async with self._scratch.folder("model") as folder:
                result = await self._run(uploaded, folder, report)
                twin = await self._keep_twin(uploaded, result, folder)
                return Inspected(result, twin)
        except Unavailable:
            raise  # may pass by itself: the next try needs the files
        except ForetellError:
            await self.drop(uploaded)
            raise

    async def _run(
        self, uploaded: Uploaded, folder: Path, report: Report
    ) -> InspectResult:
        async with AsyncExitStack() as stack:
            try:
                artifact = await stack.enter_async_context(
                    self._blobs.local(uploaded.artifact_key)
                )
            except NotFound as error:
                raise UploadRemoved from error
            example = None
            if uploaded.example_key is not None:
                example = await stack.enter_async_context(
                    self._blobs.local(uploaded.example_key)
                )
            request = InspectRequest(
                artifact=str(artifact),
                output=str(folder),
                filename=uploaded.filename,
                flavour=uploaded.flavour,
                example=None if example is None else str(example),
                allow=self._allow,
                trust=uploaded.trust,
                pickle=self._pickle,
                engine=uploaded.engine,
                tolerance=uploaded.tolerance,
                names=uploaded.names,
            )
            return await self._sandbox.run(
                INSPECT,
                request,
                InspectResult,
                read=[artifact] if example is None else [artifact, example],
                write=[folder],
                memory_bytes=self._memory_bytes,
                timeout_seconds=TIMEOUT_SECONDS,
                on_progress=report,
                progress_type=InspectProgress,
            )

    async def _keep_twin(
        self, uploaded: Uploaded, result: InspectResult, folder: Path
    ) -> str | None:
        if result.twin is None:
            return None
        # Every try has its own twin: a blob never changes once it is there.
        key = f"{uploaded.prefix}{new_id()}/{result.engine}"
        await self._blobs.put(key, folder / Path(result.twin.name).name)
        return key


def example_suffix(filename: str, content_type: str) -> str:
    """The suffix by which the inspection knows how to read an example.

    Source:
        The file's own name where it tells, else the part's Content-Type.
    """
    suffix = Path(filename).suffix.lower()
    if suffix in _EXAMPLE_SUFFIXES:
        return suffix
    if "json" in content_type:
        return ".json"
    return ".parquet" if "parquet" in content_type else ".csv"
