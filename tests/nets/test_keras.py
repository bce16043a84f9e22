"""Keras' own answers, on the torch backend; needs Keras and PyTorch."""

import io
from typing import Any

import numpy as np
import pytest

from foretell.models.errors import ModelRefused, ModelUnusable
from foretell.models.loading import open_native
from foretell.models.ports import Terms

from .editing import edited, real
from .inspecting import Inspect
from .libraries import keras_or_skip

keras: Any = keras_or_skip()
layers: Any = keras.layers

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def dense() -> Any:
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(16, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )


def images() -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="gelu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def recurrent() -> Any:
    return keras.Sequential(
        [
            keras.Input((6, 2)),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GRU(4),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def branches() -> Any:
    numbers = keras.Input((3,), name="numbers")
    word = keras.Input((1,), name="word", dtype="int64")
    known = layers.Flatten()(layers.Embedding(5, 4)(word))
    both = layers.Concatenate()([layers.Normalization()(numbers), known])
    hidden = layers.Dense(8, activation="tanh")(both)
    return keras.Model([numbers, word], layers.Dense(1)(hidden) + 0.5)


def attention() -> Any:
    given = keras.Input((5, 8))
    found = layers.MultiHeadAttention(2, 4)(given, given)
    found = layers.LayerNormalization()(layers.Add()([given, found]))
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling1D()(found)))


NETS = {
    "attention": attention,
    "branches": branches,
    "dense": dense,
    "images": images,
    "recurrent": recurrent,
}


def saved(net: Any, tmp_path: Any) -> bytes:
    path = tmp_path / "net.keras"
    net.save(path)
    data: bytes = path.read_bytes()
    return data


def columns_of(net: Any, rows: int) -> tuple[list[Any], Any]:
    random = np.random.default_rng(4)
    tensors = []
    for one in net.inputs:
        shape = (rows, *one.shape[1:])
        numbers = random.normal(0, 1, shape).astype("float32")
        whole = random.integers(0, 5, shape)
        tensors.append(whole if "int" in str(one.dtype) else numbers)
    flat = [one.reshape(rows, -1).astype(np.float64) for one in tensors]
    return tensors, np.concatenate(flat, axis=1)


@pytest.mark.parametrize("name", sorted(NETS))
def test_a_net_is_served_with_its_own_answers(inspect: Inspect, tmp_path, name: str):
    keras.utils.set_random_seed(11)
    net = NETS[name]()
    tensors, columns = columns_of(net, 64)
    expected = net.predict(tensors if len(tensors) > 1 else tensors[0], verbose=0)
    result = inspect(saved(net, tmp_path))
    predictor = open_native(
        inspect._artifact,
        result.signature,
        result.spec,
        flavour=result.flavour,
        terms=Terms(scratch=inspect.output),
    )
    names = result.signature.names
    found = predictor.predict(dict(zip(names, columns.T, strict=True)))
    assert (result.flavour, result.safety.outcome) == ("keras", "safe")
    assert len(names) == columns.shape[1]
    assert result.libraries["keras"].saved == keras.__version__
    given = np.asarray(found.predictions if found.scores is None else found.scores)
    np.testing.assert_allclose(given.reshape(64, -1), expected, atol=1e-6)


def test_several_inputs_keep_their_names(inspect: Inspect, tmp_path):
    result = inspect(saved(branches(), tmp_path))
    assert result.signature.names == ("numbers_0", "numbers_1", "numbers_2", "word_0")
    assert result.signature.inputs[3].type == "integer"


def test_a_net_that_was_trained_is_served(inspect: Inspect, tmp_path):
    net = dense()
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
