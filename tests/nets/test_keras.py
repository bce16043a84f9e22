"""Keras' own answers, on the torch backend; needs Keras and PyTorch."""

import io
import json
from typing import Any

import numpy as np
import pytest

from foretell.models.errors import ModelRefused, ModelUnusable
from foretell.models.loading import open_native
from foretell.models.ports import Terms

from .editing import edited, real
from .inspecting import Inspect
from .keras_nets import NETS, rows_for
from .libraries import keras_or_skip

keras: Any = keras_or_skip()
layers: Any = keras.layers

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def saved(net: Any, tmp_path: Any) -> bytes:
    path = tmp_path / "net.keras"
    net.save(path)
    data: bytes = path.read_bytes()
    return data


@pytest.mark.parametrize("name", sorted(NETS))
def test_a_net_is_served_with_its_own_answers(inspect: Inspect, tmp_path, name: str):
    keras.utils.set_random_seed(11)
    net = NETS[name](keras)
    tensors, columns = rows_for(net, 64)
    expected = net.predict(tensors if len(tensors) > 1 else tensors[0], verbose=0)
    result, given = asked(inspect, saved(net, tmp_path), columns)
    assert (result.flavour, result.safety.outcome) == ("keras", "safe")
    assert len(result.signature.names) == columns.shape[1]
    assert result.libraries["keras"].saved == keras.__version__
    np.testing.assert_allclose(given, expected, atol=1e-6)


def asked(inspect: Inspect, data: bytes, columns: Any) -> Any:
    """Inspect, open as the model host does, and give all values of each row."""
    result = inspect(data)
    predictor = open_native(
        inspect._artifact,
        result.signature,
        result.spec,
        flavour=result.flavour,
        terms=Terms(scratch=inspect.output),
    )
    names = result.signature.names
    found = predictor.predict(dict(zip(names, columns.T, strict=True)))
    given = np.asarray(found.predictions if found.scores is None else found.scores)
    return result, given.reshape(len(columns), -1)


@pytest.mark.parametrize("name", sorted(NETS))
def test_a_net_answers_as_tensorflow_does(inspect: Inspect, name: str):
    told = json.loads(real("tensorflow.json"))[name]
    columns = np.array(told["columns"])
    _, given = asked(inspect, real(f"tensorflow_{name}.keras"), columns)
    np.testing.assert_allclose(given, told["answers"], rtol=0, atol=1e-6)


def test_several_inputs_keep_their_names(inspect: Inspect, tmp_path):
    result = inspect(saved(NETS["branches"](keras), tmp_path))
    assert result.signature.names == ("numbers_0", "numbers_1", "numbers_2", "word_0")
    assert result.signature.inputs[3].type == "integer"


def test_a_net_that_was_trained_is_served(inspect: Inspect, tmp_path):
    net = NETS["dense"](keras)
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(1)
    net.fit(random.normal(0, 1, (64, 4)), random.integers(0, 3, 64), verbose=0)
    result = inspect(saved(net, tmp_path))
    assert result.spec.classes == [0, 1, 2]
    assert result.spec.scores == "probabilities"


def test_the_committed_file_is_served(inspect: Inspect):
    result = inspect(real("net.keras"), "net.keras")
    assert len(result.signature.inputs) == 4


def test_sequences_of_any_length_are_refused(inspect: Inspect, tmp_path):
    net = keras.Sequential([keras.Input((None, 2)), layers.LSTM(3)])
    with pytest.raises(ModelUnusable, match="rows of any length"):
        inspect(saved(net, tmp_path))


def h5(change: Any) -> bytes:
    import h5py

    out = io.BytesIO(_weights())
    with h5py.File(out, "r+") as file:
        change(h5py, file)
    return edited(real("net.keras"), {"model.weights.h5": out.getvalue()})


def _weights() -> bytes:
    from .editing import members

    return members(real("net.keras"))["model.weights.h5"]


WEIGHTS: dict[str, Any] = {
    "a link to a file": lambda h5py, file: file.__setitem__(
        "evil", h5py.ExternalLink("/etc/passwd", "/")
    ),
    "a link inside": lambda h5py, file: file.__setitem__(
        "evil", h5py.SoftLink("/layers")
    ),
    "an array elsewhere": lambda h5py, file: file.create_dataset(
        "evil", (4,), "u1", external=[("/etc/passwd", 0, 4)]
    ),
    "a packed array": lambda h5py, file: file.create_dataset(
        "evil", data=np.zeros(10_000), compression="gzip"
    ),
    "an array of nothing": lambda h5py, file: file.create_dataset(
        "evil", (1 << 40,), "f8"
    ),
    "texts": lambda h5py, file: file.create_dataset("evil", data="text"),
}


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_weights_with_something_else_are_refused(inspect: Inspect, name: str):
    with pytest.raises(ModelRefused, match="weights hold"):
        inspect(h5(WEIGHTS[name]))
