"""Reads a Keras model as a chain of layers, where it is one."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from foretell.models.ports import CannotConvert
from foretell.plugins.engines.chain_graphs import Activation, Layer, Linear, Scale

_ACTIVATIONS: dict[str, Layer | None] = {
    "linear": None,
    "log_softmax": Activation("LogSoftmax", (("axis", 1),)),
    "relu": Activation("Relu"),
    "sigmoid": Activation("Sigmoid"),
    "silu": Activation("silu"),
    "softmax": Activation("Softmax", (("axis", 1),)),
    "softplus": Activation("Softplus"),
    "tanh": Activation("Tanh"),
}
_NOT_A_CHAIN = "The net is not a plain chain of layers, so it has no ONNX twin here."


def layers_of(keras: Any, model: Any) -> list[Layer]:
    """The layers of a Sequential model over columns.

    Raises:
        CannotConvert: It is no such model, or has a layer that is not known here.
    """
    if not isinstance(model, keras.Sequential) or len(model.inputs[0].shape) != 2:
        raise CannotConvert(_NOT_A_CHAIN)
    return [layer for one in model.layers for layer in _layers(one)]


def _layers(one: Any) -> Iterator[Layer]:
    kind = type(one).__name__
    if str(one.compute_dtype) != "float32":
        raise CannotConvert(_NOT_A_CHAIN)
    make = _MAKERS.get(kind)
    if make is None:
        raise CannotConvert(f"The layer {kind} has no ONNX twin here.")
    yield from make(one)


def _array(variable: Any) -> Any:
    return np.asarray(variable.numpy(), dtype=np.float64)


def _single(values: Any) -> Any:
    return np.asarray(values, dtype=np.float32)


def _dense(one: Any) -> Iterator[Layer]:
    bias = _single(one.bias.numpy()) if one.use_bias else None
    yield Linear(_single(_array(one.kernel).T), bias)
    yield from _activation(one)


def _activation(one: Any) -> Iterator[Layer]:
    name = getattr(one.activation, "__name__", "")
    if name not in _ACTIVATIONS:
        raise CannotConvert(f"The activation {name!r} has no ONNX twin here.")
    layer = _ACTIVATIONS[name]
    if layer is not None:
        yield layer


def _batch_norm(one: Any) -> Iterator[Layer]:
    factor = 1 / np.sqrt(_array(one.moving_variance) + one.epsilon)
    if one.scale:
        factor = factor * _array(one.gamma)
    offset = -_array(one.moving_mean) * factor
    if one.center:
        offset = offset + _array(one.beta)
    yield Scale(_single(factor), _single(offset))


def _nothing(one: Any) -> Iterator[Layer]:
    return iter(())


def _rescaling(one: Any) -> Iterator[Layer]:
    yield Scale(_single(one.scale), _single(one.offset))


_MAKERS: dict[str, Callable[[Any], Iterator[Layer]]] = {
    "Activation": _activation,
    "BatchNormalization": _batch_norm,
    "Dense": _dense,
    "Dropout": _nothing,
    "InputLayer": _nothing,
    "Rescaling": _rescaling,
}
