"""What Keras files may hold: read without Keras, from files that it wrote."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable
from foretell.models.gate.keras_config import read_config
from foretell.plugins.flavours.keras import KerasFlavour

from ..models.gate import hostile
from .editing import edited, members, real, walk, with_json
from .inspecting import MARKER, Inspect

CONFIG = json.loads(members(real("net.keras"))["config.json"])


def judged(config: Any) -> Any:
    return read_config(json.dumps(config).encode(), 1)


def layer(index: int, **values: Any) -> Callable[[Any], None]:
    def change(config: Any) -> None:
        config["config"]["layers"][index].update(values)

    return change


def test_a_model_as_keras_writes_it_is_safe():
    verdict, cleaned = judged(CONFIG)
    assert verdict.reasons == []
    assert verdict.outcome == "safe"
    assert "keras.layers.Dense" in verdict.globals
    assert cleaned["class_name"] == "Sequential"


def test_what_only_training_needs_stays_behind():
    config = CONFIG | {"compile_config": {"loss": "evil", "metrics": [{"a": 1}]}}
    assert "compile_config" not in judged(config)[1]


CHANGES: dict[str, Callable[[Any], None]] = {
    "os.system": layer(1, module="os", class_name="system"),
    "subprocess": layer(1, module="subprocess", class_name="Popen"),
    "a function that fetches": layer(
        1, module="keras.utils", class_name="function", config="get_file"
    ),
    "a function of another module": layer(
        1, module="shutil", class_name="function", config="rmtree"
    ),
    "a utility of keras": layer(1, module="keras.utils", class_name="get_file"),
    "an internal module": layer(
        1, module="keras.src.saving.serialization_lib", class_name="SafeModeScope"
    ),
    "a class of its own": layer(1, module="mylib", class_name="Sharpen"),
    "a registered class": layer(1, registered_name="mylib>Sharpen"),
    "another framework": layer(1, class_name="TFSMLayer"),
    "a pickled module": layer(1, class_name="TorchModuleWrapper"),
    "a table of words": layer(1, class_name="StringLookup"),
    "the form of Keras 2": lambda config: config["config"]["layers"][1].pop("module"),
    "a lambda inside": lambda config: config["config"]["layers"][1]["config"].update(
        activation={"class_name": "__lambda__", "config": {"value": "code"}}
    ),
    "a type of TensorFlow": lambda config: config["config"].update(
        spec={"class_name": "__typespec__", "module": "os", "config": []}
    ),
    "a number as a class": layer(1, class_name=7),
    "no config": layer(1, config=None),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_description_of_something_else_is_refused(name: str, inspect: Inspect):
    data = with_json(real("net.keras"), "config.json", CHANGES[name])
    with pytest.raises(ModelRefused) as refusal:
        inspect(data)
    assert refusal.value.context["safety"]["reasons"]


def test_a_lambda_layer_is_refused_with_what_to_do(inspect: Inspect):
    with pytest.raises(ModelRefused, match="Lambda layer, which is code") as refusal:
        inspect(real("lambda.keras"), "lambda.keras")
    assert refusal.value.context["safety"]["outcome"] == "hostile"
    assert "ONNX" in str(refusal.value)


def test_no_trust_lets_a_class_of_its_own_in(inspect: Inspect):
    change = CHANGES["a class of its own"]
    data = with_json(real("net.keras"), "config.json", change)
    with pytest.raises(ModelRefused, match=r"mylib\.Sharpen"):
        inspect(data, trust=True)


@pytest.mark.parametrize("filename", ["net.h5", "net.keras", "net"])
def test_hdf5_is_refused_whatever_its_name(filename: str, inspect: Inspect):
    with pytest.raises(ModelRefused, match=r"save\('model\.keras'\)"):
        inspect(real("net.h5"), filename)


@pytest.mark.parametrize(
    "name", ["evil.pkl", "config.json/x", "model.weights.h5.pkl", "a/b.py"]
)
def test_a_member_too_many_is_refused(name: str, inspect: Inspect):
    payload = pickle.dumps(hostile.system(MARKER))
    with pytest.raises(ModelRefused):
        inspect(edited(real("net.keras"), {name: payload}))


def test_tables_of_words_are_refused(inspect: Inspect):
    with pytest.raises(ModelRefused, match="tables of words"):
        inspect(edited(real("net.keras"), {"assets/words/vocabulary.txt": b"a\n"}))


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_an_archive_that_lacks_a_part_is_refused(name: str, inspect: Inspect):
    with pytest.raises(ModelRefused):
        inspect(edited(real("net.keras"), {name: None}), "net.keras")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"7", b"{", b'{"class_name": []}', b"[" * 100_000]
)
def test_a_broken_description_is_refused(data: bytes):
    verdict, cleaned = read_config(data, 1)
    assert not verdict.is_admitted
    assert cleaned == {}


def test_a_deep_description_is_refused():
    config: Any = {}
    for _ in range(500):
        config = {"config": config}
    assert not judged(config)[0].is_admitted


def test_a_saved_model_is_refused_with_what_is_missing(inspect: Inspect):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("churn/saved_model.pb", b"\x08\x01")
        target.writestr("churn/variables/variables.index", b"x")
    with pytest.raises(ModelUnusable, match="TensorFlow"):
        inspect(out.getvalue(), "churn.zip")


def test_a_keras_file_is_known_by_its_first_bytes():
    assert KerasFlavour().recognises(real("net.keras")[:4096], "artifact")
    assert KerasFlavour().recognises(real("net.h5")[:4096], "artifact")
    assert not KerasFlavour().recognises(real("net.pt2")[:4096], "artifact")


def test_a_cut_off_archive_is_refused(inspect: Inspect):
    with pytest.raises((ModelRefused, ModelUnreadable)):
        inspect(real("net.keras")[:-200], "net.keras")


def test_names_inside_are_told():
    found: list[Any] = []
    walk(CONFIG, "class_name", found.append)
    verdict, _ = judged(CONFIG)
    assert {one["class_name"] for one in found} == {
        name.rpartition(".")[2] for name in verdict.globals
    }
