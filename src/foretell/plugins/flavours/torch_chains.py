"""Reads an exported program as a chain of layers, where it is one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from foretell.models.ports import CannotConvert
from foretell.plugins.engines.chain_graphs import (
    Activation,
    Layer,
    Linear,
    Scale,
    Weights,
)

Values = Mapping[str, Any]
_ACTIVATIONS = {
    "log_softmax.int": "LogSoftmax",
    "relu.default": "Relu",
    "relu_.default": "Relu",
    "selu.default": "Selu",
    "sigmoid.default": "Sigmoid",
    "silu.default": "silu",
    "silu_.default": "silu",
    "softmax.int": "Softmax",
    "tanh.default": "Tanh",
}
_NOT_A_CHAIN = "The net is not a plain chain of layers, so it has no ONNX twin here."


def layers_of(program: Mapping[str, Any], weights: Mapping[str, Any]) -> list[Layer]:
    """The layers of a program with one input and one output.

    Args:
        weights: Arrays by the name of the parameter or buffer.

    Raises:
        CannotConvert: It branches, or has a layer that is not known here.
    """
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    held, given = _named_inputs(signature["input_specs"], weights)
    if len(given) != 1 or len(graph["outputs"]) != 1:
        raise CannotConvert(_NOT_A_CHAIN)
    last, layers = given[0], []
    for node in graph["nodes"]:
        values = {one["name"]: _value(one["arg"]) for one in node["inputs"]}
        main = values.pop("input", values.pop("self", None))
        if main != last or len(node["outputs"]) != 1:
            raise CannotConvert(_NOT_A_CHAIN)
        operator = node["target"].removeprefix("torch.ops.aten.")
        layer = _layer(operator, values, held)
        layers += [] if layer is None else [layer]
        last = node["outputs"][0].get("as_tensor", {}).get("name")
    if graph["outputs"][0].get("as_tensor", {}).get("name") != last:
        raise CannotConvert(_NOT_A_CHAIN)
    return layers


def _named_inputs(
    specs: Any, weights: Mapping[str, Any]
) -> tuple[dict[str, Weights], list[str]]:
    held: dict[str, Weights] = {}
    given: list[str] = []
    for spec in specs:
        ((kind, one),) = spec.items()
        if kind == "user_input":
            given.append(one["arg"].get("as_tensor", {}).get("name", ""))
            continue
        name = one.get("parameter_name") or one.get("buffer_name")
        if name not in weights:
            raise CannotConvert(_NOT_A_CHAIN)
        held[one["arg"]["name"]] = np.asarray(weights[name])
    return held, given


def _value(argument: Mapping[str, Any]) -> Any:
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    return value["name"] if kind == "as_tensor" else value


def _layer(operator: str, values: Values, held: Mapping[str, Weights]) -> Layer | None:
    make = _MAKERS.get(operator)
    if make is not None:
        return make(values, held)
    name = _ACTIVATIONS.get(operator)
    if name is None:
        raise CannotConvert(f"The layer {operator} has no ONNX twin here.")
    if "dim" in values:
        if values["dim"] not in (1, -1):
            raise CannotConvert(_NOT_A_CHAIN)
        return Activation(name, (("axis", 1),))
    return Activation(name)


def _weight(name: Any, held: Mapping[str, Weights]) -> Weights:
    found = held.get(name)
    if found is None or found.dtype != np.float32:
        raise CannotConvert(_NOT_A_CHAIN)
    return found


def _linear(values: Values, held: Mapping[str, Weights]) -> Layer:
    bias = values.get("bias")
    return Linear(
        _weight(values["weight"], held), None if bias is None else _weight(bias, held)
    )


def _batch_norm(values: Values, held: Mapping[str, Weights]) -> Layer:
    if values.get("training"):
        raise CannotConvert(_NOT_A_CHAIN)
    mean = _weight(values["running_mean"], held).astype(np.float64)
    variance = _weight(values["running_var"], held).astype(np.float64)
    factor = 1 / np.sqrt(variance + float(values["eps"]))
    if values.get("weight") is not None:
        factor = factor * _weight(values["weight"], held)
    offset = -mean * factor
    if values.get("bias") is not None:
        offset = offset + _weight(values["bias"], held)
    return Scale(factor.astype(np.float32), offset.astype(np.float32))


def _dropout(values: Values, held: Mapping[str, Weights]) -> None:
    if values.get("train"):
        raise CannotConvert(_NOT_A_CHAIN)


def _gelu(values: Values, held: Mapping[str, Weights]) -> Layer:
    if values.get("approximate", "none") != "none":
        raise CannotConvert("The approximate gelu has no ONNX twin here.")
    return Activation("gelu")


def _elu(values: Values, held: Mapping[str, Weights]) -> Layer:
    if values.get("scale", 1) != 1 or values.get("input_scale", 1) != 1:
        raise CannotConvert(_NOT_A_CHAIN)
    return Activation("Elu", (("alpha", float(values.get("alpha", 1.0))),))


def _leaky(values: Values, held: Mapping[str, Weights]) -> Layer:
    slope = float(values.get("negative_slope", 0.01))
    return Activation("LeakyRelu", (("alpha", slope),))


_MAKERS: dict[str, Callable[[Values, Mapping[str, Weights]], Layer | None]] = {
    "batch_norm.default": _batch_norm,
    "dropout.default": _dropout,
    "elu.default": _elu,
    "gelu.default": _gelu,
    "leaky_relu.default": _leaky,
    "leaky_relu_.default": _leaky,
    "linear.default": _linear,
}
