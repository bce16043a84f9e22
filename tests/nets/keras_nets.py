"""Five small Keras nets, of layers that differ between the frameworks below Keras."""

from typing import Any

import numpy as np


def dense(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(16, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )


def images(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(0.5),
            layers.Conv2D(4, 3, activation="gelu", padding="same"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def recurrent(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 2)),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GRU(4),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def branches(keras: Any) -> Any:
    layers = keras.layers
    numbers = keras.Input((3,), name="numbers")
    word = keras.Input((1,), name="word", dtype="int64")
    known = layers.Flatten()(layers.Embedding(5, 4)(word))
    both = layers.Concatenate()([layers.Normalization()(numbers), known])
    hidden = layers.Dense(8, activation="tanh")(both)
    return keras.Model([numbers, word], layers.Dense(1)(hidden) + 0.5)


def attention(keras: Any) -> Any:
    layers = keras.layers
    given = keras.Input((5, 8))
    found = layers.MultiHeadAttention(2, 4)(given, given)
    found = layers.LayerNormalization()(layers.Add()([given, found]))
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling1D()(found)))


NETS: dict[str, Any] = {
    "attention": attention,
    "branches": branches,
    "dense": dense,
    "images": images,
    "recurrent": recurrent,
}


def rows_for(net: Any, rows: int) -> tuple[list[Any], Any]:
    """Tensors for a net, and the same numbers as columns."""
    random = np.random.default_rng(4)
    tensors = []
    for one in net.inputs:
        shape = (rows, *one.shape[1:])
        numbers = random.normal(0, 1, shape).astype("float32")
        whole = random.integers(0, 5, shape)
        tensors.append(whole if "int" in str(one.dtype) else numbers)
    flat = [one.reshape(rows, -1).astype(np.float64) for one in tensors]
    return tensors, np.concatenate(flat, axis=1)
