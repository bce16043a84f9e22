"""ONNX graphs of nets that are a chain of layers, as those over tables mostly are.

Written by hand from the weights, so that no exporter of a library has to load or trace
anything. Like every twin it serves only if it answers as the net does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from foretell.models.ports import Candidate, CannotConvert, EngineSpec, Feed
from foretell.plugins.engines.onnx_graphs import check_graph, is_inline_safe

_OPSET = 18
_IR_VERSION = 10
Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Linear:
    """`x @ weight.T + bias`; the weight has the shape `(outputs, inputs)`."""

    weight: Weights
    bias: Weights | None


@dataclass(frozen=True, slots=True)
class Scale:
    """`x * factor + offset`, with one of each for every column."""

    factor: Weights
    offset: Weights


@dataclass(frozen=True, slots=True)
class Activation:
    """One of ONNX's activations, or `gelu` and `silu`, which are made of others."""

    name: str
    attributes: tuple[tuple[str, float | int], ...] = ()


Layer = Linear | Scale | Activation


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any) -> str:
        name = f"c{len(self.constants)}"
        array = np.ascontiguousarray(values, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def layer(self, layer: Layer, x: str) -> str:
        if isinstance(layer, Linear):
            parts = [self.constant(layer.weight)]
            if layer.bias is not None:
                parts.append(self.constant(layer.bias))
            return self.add("Gemm", x, *parts, transB=1)
        if isinstance(layer, Scale):
            scaled = self.add("Mul", x, self.constant(layer.factor))
            return self.add("Add", scaled, self.constant(layer.offset))
        if layer.name == "silu":
            return self.add("Mul", x, self.add("Sigmoid", x))
        if layer.name == "gelu":
            inner = self.add("Mul", x, self.constant(1 / math.sqrt(2)))
            risen = self.add("Add", self.add("Erf", inner), self.constant(1.0))
            return self.add("Mul", self.add("Mul", x, risen), self.constant(0.5))
        return self.add(layer.name, x, **dict(layer.attributes))


def chain_twin(layers: Sequence[Layer], width: int, truth: EngineSpec) -> Candidate:
    """The graph of a chain over `width` columns, with answers as `truth` has them.

    Raises:
        CannotConvert: The layers' sizes do not follow from one another.
    """
    _check_sizes(layers, width, truth)
    graph = _Graph()
    last = "input"
    for layer in layers:
        last = graph.layer(layer, last)
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["rows", None])]
    label, score = last, None
    if truth.scores == "probabilities":
        label, score = graph.add("ArgMax", last, axis=1, keepdims=0), last
        found = helper.make_tensor_value_info(label, TensorProto.INT64, ["rows"])
        outputs.append(found)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "net",
            [
                helper.make_tensor_value_info(
                    "input", TensorProto.FLOAT, ["rows", width]
                )
            ],
            outputs,
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    check_graph(model)
    spec = EngineSpec(
        engine="onnxruntime",
        scores=truth.scores,
        classes=truth.classes,
        feeds=[Feed("input", list(range(width)), "float32")],
        label=label,
        score=score,
        size=truth.size,
        is_inline=is_inline_safe(model, {"input": width}),
    )
    return Candidate(spec, model.SerializeToString(), "chain", ".onnx")


def _check_sizes(layers: Sequence[Layer], width: int, truth: EngineSpec) -> None:
    size = width
    for layer in layers:
        if isinstance(layer, Linear):
            outputs, inputs = layer.weight.shape
            if inputs != size:
                raise CannotConvert("The layers are no chain over the columns.")
            size = outputs
        elif isinstance(layer, Scale) and layer.factor.shape not in ((), (size,)):
            raise CannotConvert("The layers are no chain over the columns.")
    if size != max(1, truth.size or len(truth.classes)):
        raise CannotConvert("The layers give another number of values.")
