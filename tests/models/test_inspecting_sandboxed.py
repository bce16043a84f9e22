"""The inspection as it really runs: in a child without network and files."""

import pickle

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from foretell.models.errors import ModelRefused
from foretell.models.reports import InspectProgress, InspectRequest, InspectResult
from foretell.sandbox.pool import Sandbox

FUNCTION = "foretell.models.inspecting:inspect_artifact"
PRELOAD = (
    "foretell.models.inspecting",
    "foretell.plugins.flavours.sklearn",
    "foretell.plugins.engines.onnx_twins",
    "foretell.plugins.engines.linear",
)


@pytest.fixture
async def inspect(tmp_path):
    artifact, output = tmp_path / "artifact", tmp_path / "output"
    output.mkdir()
    seen: list[str] = []

    async def run(data: bytes) -> tuple[InspectResult, list[str]]:
        artifact.write_bytes(data)
        result = await sandbox.run(
            FUNCTION,
            InspectRequest(str(artifact), str(output)),
            InspectResult,
            read=[artifact],
            write=[output],
            on_progress=lambda progress: seen.append(progress.step),
            progress_type=InspectProgress,
        )
        return result, seen

    async with Sandbox(preload=PRELOAD) as sandbox:
        yield run


async def test_a_model_is_inspected_and_a_hostile_one_refused(inspect, tmp_path):
    rows, labels = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=2000).fit(rows, labels)
    result, seen = await inspect(pickle.dumps(model))
    assert result.engine == "linear"
    assert (tmp_path / "output" / "twin.linear").stat().st_size == result.twin.bytes
    assert seen[0] == "gate"
    with pytest.raises(ModelRefused, match=r"posix\.system") as refusal:
        await inspect(b"cposix\nsystem\n(Vtrue\ntR.")
    assert refusal.value.context["safety"]["outcome"] == "hostile"
