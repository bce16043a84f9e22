"""What becomes of a stored upload: inspected in a sandbox, kept or removed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from foretell.core.scratch import Scratch
from foretell.models import importing
from foretell.models.errors import ModelRefused, UploadRemoved
from foretell.models.importing import ModelImporter, Uploaded, example_suffix
from foretell.models.reports import InspectProgress
from foretell.plugins.blobstores.files import FileBlobStore
from foretell.sandbox.pool import Sandbox
from tests.models.application import IRIS, Trained

Make = Callable[..., ModelImporter]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    async with Sandbox(preload=importing.PRELOAD) as sandbox:

        def importer(pickle: str = "gate") -> ModelImporter:
            return ModelImporter(
                sandbox,
                FileBlobStore(tmp_path / "blobs"),
                Scratch(tmp_path / "work"),
                memory_bytes=2 << 30,
                allow=[],
                pickle="forbid" if pickle == "forbid" else "gate",
            )

        yield importer
    assert list((tmp_path / "work").glob("*")) == []


async def keep(importer: ModelImporter, tmp_path: Path, content: bytes) -> Uploaded:
    (tmp_path / "artifact").write_bytes(content)
    IRIS.data.iloc[::5].to_csv(tmp_path / "example", index=False)
    uploaded = Uploaded(
        model="iris",
        model_id="m",
        version_id="v",
        filename="model.joblib",
        bytes=len(content),
        sha256="",
        example=".csv",
    )
    await importer.keep(uploaded, tmp_path / "artifact", tmp_path / "example")
    return uploaded


async def test_an_admitted_file_is_described_and_its_twin_kept(
    make: Make, tmp_path: Path, forest: Trained
):
    importer, steps = make(), []

    def note(progress: InspectProgress) -> None:
        steps.append(progress.step)

    found = await importer.inspect(
        await keep(importer, tmp_path, forest.artifact), note
    )
    assert steps == list(importing.STEPS)
    assert found.result.signature == forest.result.signature
    assert found.twin_key is not None
    assert (tmp_path / "blobs" / found.twin_key).stat().st_size > 0


async def test_a_refused_file_is_removed_and_its_job_cannot_be_tried_again(
    make: Make, tmp_path: Path, forest: Trained
):
    importer = make(pickle="forbid")
    uploaded = await keep(importer, tmp_path, forest.artifact)
    with pytest.raises(ModelRefused):
        await importer.inspect(uploaded, lambda _progress: None)
    assert not any(path.is_file() for path in (tmp_path / "blobs").rglob("*"))
    with pytest.raises(UploadRemoved):
        await importer.inspect(uploaded, lambda _progress: None)


@pytest.mark.parametrize(
    ("filename", "kind", "suffix"),
    [
        ("rows.PARQUET", "", ".parquet"),
        ("rows.txt", "application/json", ".json"),
        ("rows", "application/vnd.apache.parquet", ".parquet"),
        ("", "", ".csv"),
        ("../../etc/passwd", "text/csv", ".csv"),
    ],
)
def test_an_example_is_read_by_its_name_or_type(filename, kind, suffix):
    assert example_suffix(filename, kind) == suffix
