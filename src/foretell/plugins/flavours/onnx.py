"""ONNX models: a data-only format, served after a check of the graph's structure."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable
from foretell.models.gate.verdict import Reason, Verdict
from foretell.models.ports import (
    Batch,
    Candidate,
    CannotConvert,
    EngineSpec,
    Feed,
    LoadedModel,
    Predictor,
    Scores,
    Terms,
)
from foretell.models.signature import (
    InputField,
    InputType,
    OutputField,
    OutputType,
    Scalar,
    Signature,
    class_names,
    unnamed,
)
from foretell.plugins.engines.onnx_graphs import (
    BadGraph,
    attributes,
    check_graph,
    is_inline_safe,
)
from foretell.plugins.engines.onnxruntime import OnnxRuntimePredictor, session

MAX_BYTES = 1024**3
_TYPES: dict[int, tuple[Any, InputType]] = {
    onnx.TensorProto.FLOAT: ("float32", "float"),
    onnx.TensorProto.DOUBLE: ("float64", "float"),
    onnx.TensorProto.INT64: ("int64", "integer"),
    onnx.TensorProto.INT32: ("int32", "integer"),
    onnx.TensorProto.BOOL: ("bool", "boolean"),
    onnx.TensorProto.STRING: ("object", "text"),
}


class OnnxFlavour:
    """Graphs with named or stacked columns in, labels, scores or values out."""

    name = "onnx"

    def recognises(self, head: bytes, filename: str) -> bool:
        # A ModelProto begins with its IR version: field 1, a small number. The
        # second field is text (the producer's name), an import or the graph.
        return len(head) > 2 and head[0] == 0x08 and 1 <= head[1] <= 32

    def load(
        self, path: Path, terms: Terms, examples: Batch | None = None
    ) -> LoadedModel:
        graph, verdict, notes = _read(path)
        inputs, feeds = _inputs(graph, terms.names)
        if examples is not None:
            inputs = _with_examples(inputs, examples)
        plain = OnnxModel(graph, feeds)
        spec, outputs = plain.form(inputs)
        inputs = [_nullable(field) for field in inputs]
        signature = Signature(inputs, outputs)
        predictor = OnnxRuntimePredictor(plain.data, signature, spec)
        plain.candidate_spec = spec
        return LoadedModel(
            native=plain,
            signature=signature,
            predictor=predictor,
            verdict=verdict,
            warnings=notes,
        )

    def open(
        self, path: Path, signature: Signature, spec: EngineSpec, terms: Terms
    ) -> Predictor:
        graph, _, _ = _read(path)
        plain = OnnxModel(graph, spec.feeds)
        return OnnxRuntimePredictor(plain.data, signature, spec)


def _read(path: Path) -> tuple[Any, Verdict, list[str]]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelUnreadable(f"An ONNX model may have at most {MAX_BYTES:,} bytes.")
    try:
        graph = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's errors are not the same everywhere
        raise ModelUnreadable("The ONNX file is damaged or cut off.") from error
    if not len(graph.graph.node) or not len(graph.graph.output):
        raise ModelUnreadable("The ONNX file holds no graph; it may be cut off.")
    try:
        check_graph(graph)
    except BadGraph as error:
        reason = Reason("graph", str(error))
        raise ModelRefused(
            Verdict("hostile", "onnx", reasons=[reason], bytes=size)
        ) from error
    producer = (
        {graph.producer_name: graph.producer_version} if graph.producer_name else {}
    )
    return graph, Verdict("safe", "onnx", libraries=producer, bytes=size), []


class OnnxModel:
    """A graph made ready to serve: any number of rows, scores as one tensor.

    The graph is changed in two places only. The number of rows is made free, and a
    ZipMap, which turns each row into a dictionary, is taken off the end.
    """

    def __init__(self, graph: Any, feeds: Sequence[Feed]) -> None:
        self.graph = graph
        self.feeds = list(feeds)
        self.candidate_spec: EngineSpec | None = None
        self._labels = _labels(graph.graph)
        _free_rows(graph.graph)
        _take_off_zipmap(graph.graph)
        self.data: bytes = graph.SerializeToString()

    def candidates(self) -> Iterator[Candidate | CannotConvert]:
        """The graph itself: it is already what the engine runs."""
        if self.candidate_spec is not None:
            yield Candidate(self.candidate_spec, self.data, "as uploaded", ".onnx")

    def form(self, inputs: list[InputField]) -> tuple[EngineSpec, list[OutputField]]:
        """Run two rows to learn what the graph's outputs are."""
        try:
            runtime = session(self.data)
            feed = {one.name: _sample(one, inputs) for one in self.feeds}
            names = [output.name for output in runtime.get_outputs()]
            found = dict(zip(names, runtime.run(None, feed), strict=True))
        except MemoryError:
            raise
        except Exception as error:  # the runtime's errors have no common base
            first = str(error).split("\n")[0][:300]
            raise ModelUnusable(
                f"The graph does not answer two plain rows: {first}"
            ) from error
        return self._form(found)

    def _form(self, found: dict[str, Any]) -> tuple[EngineSpec, list[OutputField]]:
        tensors = {
            name: value
            for name, value in found.items()
            if isinstance(value, np.ndarray)
        }
        per_row = {n: v for n, v in tensors.items() if v.ndim in (1, 2) and len(v) == 2}
        if not per_row:
            raise ModelUnusable("No output of the graph has one value per row.")
        labels = [
            n for n, v in per_row.items() if v.dtype.kind in "OUSiub" and v.size == 2
        ]
        values = [n for n, v in per_row.items() if v.dtype.kind == "f"]
        if labels:
            return self._classifier(labels[0], values[0] if values else None, per_row)
        return self._regressor(values[0] if values else next(iter(per_row)), per_row)

    def _classifier(
        self, label: str, score: str | None, found: dict[str, Any]
    ) -> tuple[EngineSpec, list[OutputField]]:
        kind = found[label].dtype.kind
        classes = self._classes(found[score], kind) if score else []
        scores: Scores = "none"
        if score is not None:
            scores = "probabilities" if _are_probabilities(found[score]) else "decision"
        output: OutputType = {"b": "boolean", "i": "integer", "u": "integer"}.get(  # type: ignore[assignment]
            kind, "text"
        )
        spec = EngineSpec(
            engine="onnxruntime",
            scores=scores,
            classes=classes,
            feeds=self.feeds,
            label=label,
            score=score,
            is_inline=self._is_inline(),
        )
        outputs = [OutputField("prediction", output, values=classes or None)]
        if score is not None:
            width = found[score].reshape(2, -1).shape[1]
            keys: list[Scalar] = list(class_names(classes))
            names = keys if width == len(classes) else None
            outputs.append(OutputField(scores, "float", values=names))
        return spec, outputs

    def _classes(self, scores: Any, kind: str) -> list[Scalar]:
        width = scores.reshape(2, -1).shape[1]
        is_text = kind in "OUS"
        for labels in self._labels:
            if len(labels) == max(width, 2) and isinstance(labels[0], str) == is_text:
                return labels
        return [] if is_text else list(range(width))

    def _regressor(
        self, value: str, found: dict[str, Any]
    ) -> tuple[EngineSpec, list[OutputField]]:
        width = found[value].reshape(2, -1).shape[1]
        size = width if width > 1 else None
        spec = EngineSpec(
            engine="onnxruntime",
            feeds=self.feeds,
            label=value,
            size=size,
            is_inline=self._is_inline(),
        )
        return spec, [OutputField("prediction", "float", size=size)]

    def _is_inline(self) -> bool:
        widths = {feed.name: len(feed.columns) for feed in self.feeds}
        return is_inline_safe(self.graph, widths)


def _inputs(
    model: Any, given: Sequence[str] | None
) -> tuple[list[InputField], list[Feed]]:
    constants = {tensor.name for tensor in model.graph.initializer}
    tensors = [one for one in model.graph.input if one.name not in constants]
    shapes = [_shape(one, given) for one in tensors]
    names = _column_names([one.name for one in tensors], [w for w, _ in shapes], given)
    fields: list[InputField] = []
    feeds: list[Feed] = []
    for tensor, (width, rank) in zip(tensors, shapes, strict=True):
        code = tensor.type.tensor_type.elem_type
        if code not in _TYPES:
            raise ModelUnusable(
                f"The input {tensor.name!r} has a type not served here."
            )
        dtype, kind = _TYPES[code]
        places = list(range(len(fields), len(fields) + width))
        fields += [InputField(names[place], kind) for place in places]
        feeds.append(Feed(tensor.name, places, dtype, rank))
    if not fields:
        raise ModelUnusable("The graph has no inputs.")
    return fields, feeds


def _shape(tensor: Any, given: Sequence[str] | None) -> tuple[int, int]:
    """Number of columns and rank of an input tensor."""
    dims = tensor.type.tensor_type.shape.dim
    if len(dims) == 1:
        return 1, 1
    if len(dims) != 2:
        raise ModelUnusable(
            f"The input {tensor.name!r} has {len(dims)} dimensions; rows of columns "
            "are served, which have two."
        )
    if dims[1].dim_value > 0:
        return dims[1].dim_value, 2
    if given:
        return len(given), 2
    raise ModelUnusable(
        f"The input {tensor.name!r} does not say how many columns it takes; name them "
        "in the signature of the metadata."
    )


def _column_names(
    tensors: list[str], widths: list[int], given: Sequence[str] | None
) -> list[str]:
    total = sum(widths)
    if given is not None and len(given) == total:
        return list(given)
    if len(tensors) == 1:
        return (
            [tensors[0]]
            if total == 1 and tensors[0] not in _ANONYMOUS
            else unnamed(total)
        )
    names = []
    for tensor, width in zip(tensors, widths, strict=True):
        names += [tensor] if width == 1 else [f"{tensor}_{i}" for i in range(width)]
    return names


_ANONYMOUS = ("X", "input", "float_input", "inputs")


def _free_rows(graph: Any) -> None:
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if len(dims) in (1, 2) and dims[0].dim_value:
            dims[0].ClearField("dim_value")
            dims[0].dim_param = "rows"
    del graph.value_info[:]


def _take_off_zipmap(graph: Any) -> None:
    outputs = {output.name: output for output in graph.output}
    for node in list(graph.node):
        if node.op_type != "ZipMap" or node.output[0] not in outputs:
            continue
        kept = onnx.helper.make_tensor_value_info(
            node.input[0], onnx.TensorProto.FLOAT, ["rows", None]
        )
        outputs[node.output[0]].CopyFrom(kept)
        graph.node.remove(node)


def _labels(graph: Any) -> list[list[Scalar]]:
    """Every list of class labels the graph holds, the last node's first."""
    found: list[list[Scalar]] = []
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in reversed(graph.node):
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in constants:
            values = (
                onnx.numpy_helper.to_array(constants[node.input[0]]).ravel().tolist()
            )
            found.append([_text(value) for value in values])
        for name, value in attributes(node).items():
            if name.startswith("classlabels") and len(value):
                found.append([_text(one) for one in value])
    return [labels for labels in found if all(isinstance(o, int | str) for o in labels)]


def _text(value: Any) -> Scalar:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value  # type: ignore[no-any-return]


def _sample(feed: Feed, inputs: list[InputField]) -> Any:
    fill: dict[str, Any] = {"object": "a", "bool": False}
    shape = (2, len(feed.columns)) if feed.rank == 2 else (2,)
    sample = np.full(shape, fill.get(feed.dtype, 1), dtype=feed.dtype)
    if feed.rank == 2:
        for place, column in enumerate(feed.columns):
            values = inputs[column].values
            if values:
                sample[:, place] = values[0]
    return sample


def _are_probabilities(scores: Any) -> bool:
    rows = scores.reshape(2, -1)
    if rows.shape[1] < 2:
        return False
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1.0, atol=1e-4))


def _with_examples(inputs: list[InputField], examples: Batch) -> list[InputField]:
    from foretell.models.examples import refine

    return [refine(one, examples.get(one.name), is_certain=True) for one in inputs]


def _nullable(field: InputField) -> InputField:
    """A float tensor can hold NaN, but whether the model means it nobody knows."""
    return field
