"""Nets from upload to answer, over HTTP with the real sandbox; needs the libraries."""

from typing import Any

import pytest

from tests.conftest import Callers
from tests.served import unique

from .editing import real, with_json
from .libraries import keras_or_skip
from .uploading import upload

keras_or_skip()

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

ROWS = [[0.1, -0.2, 1.5, 3.0], [2.0, 0.5, -1.0, 0.25]]


@pytest.mark.parametrize(
    ("filename", "asked", "engine"),
    [
        ("net.pt2", "auto", "onnxruntime"),
        ("net.pt2", "native", "native"),
        ("script.pt", "auto", "native"),
        ("net.keras", "auto", "onnxruntime"),
        ("net.keras", "native", "native"),
    ],
)
def test_a_net_goes_from_file_to_answer(
    callers: Callers, filename: str, asked: str, engine: str
):
    name = unique("net")
    made = upload(callers.editor, name, filename, engine=asked)
    assert made.status_code == 201, made.text
    version = made.json()
    assert version["engine"] == engine
    assert version["libraries"][version["flavour"]]["installed"]
    path = f"/api/models/{name}/predict"
    body = {"columns": ["x0", "x1", "x2", "x3"], "data": ROWS}
    found = callers.editor.post(path, json=body)
    assert found.status_code == 200, found.text
    answers = found.json()["predictions"]
    assert [set(one["probabilities"]) for one in answers] == [{"0", "1", "2"}] * 2
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    one = callers.editor.post(path, json={"features": ROWS[1]}).json()
    alone = one["predictions"][0]["probabilities"]
    assert alone == pytest.approx(answers[1]["probabilities"], abs=1e-6)
    wrong = callers.editor.post(path, json={"features": [1, 2, "x", 4]})
    assert wrong.status_code == 422


def test_a_net_that_fills_the_memory_ends_its_child_only(callers: Callers):
    def widen(config: Any) -> None:
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Dense":
                layer["config"]["units"] = 2_000_000_000

    wide = with_json(real("net.keras"), "config.json", widen)
    server = callers.server.process
    assert server is not None
    refused = upload(callers.editor, unique("net"), "net.keras", wide)
    assert refused.status_code in (415, 422), refused.text
    assert server.poll() is None
    assert callers.nobody.get("/healthz").status_code == 200
