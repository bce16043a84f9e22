"""A flavour of an extension really serves: upload, sandboxed load, prediction."""

import pytest

from foretell import Extension
from foretell.testing.conformance import check_flavour
from tests.extension.flavours import SumFlavour

sums = Extension("sums")
sums.flavour("sum", "tests.extension.flavours:SumFlavour")
ARTIFACT = b'{"sum": {"a": 2.0, "b": -1.0}}'


@pytest.fixture
def extensions():
    return [sums]


def test_it_conforms(tmp_path):
    artifact = tmp_path / "model.json"
    artifact.write_bytes(ARTIFACT)
    check_flavour(SumFlavour(), artifact, {"a": [1.0, 0.5], "b": [3.0, 0.25]})


def test_a_class_says_its_place_by_itself():
    other = Extension("other")
    assert other.flavour("sum")(SumFlavour) is SumFlavour
    assert other.flavours == {"sum": "tests.extension.flavours:SumFlavour"}


@pytest.mark.slow
async def test_its_models_are_uploaded_and_served(client, run_jobs):
    files = {"artifact": ("model.json", ARTIFACT)}
    made = await client.post("/api/models/total/versions", files=files)
    assert made.status_code == 202, made.text
    await run_jobs()
    version = (await client.get("/api/models/total/versions/1")).json()
    assert (version["flavour"], version["engine"]) == ("sum", "native")
    body = {"rows": [{"a": 1.5, "b": 1}, {"a": 0, "b": 4}]}
    answer = await client.post("/api/models/total/predict", json=body)
    assert [p["prediction"] for p in answer.json()["predictions"]] == [2.0, -4.0]
