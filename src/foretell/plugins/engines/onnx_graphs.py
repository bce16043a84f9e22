"""Checks ONNX graphs before a runtime sees them.

ONNX Runtime follows tree indices without asking where they lead and reads the files
a graph names. So a graph must keep to the standard operators, hold all its data, and
its trees must be trees. To run inside the API process it must also use only operators
whose results cannot grow beyond their inputs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

MAX_NODES = 20_000
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# Operators that scikit-learn models need, and whose output is bounded by the input.
_INLINE = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "ArgMax",
        "ArgMin",
        "ArrayFeatureExtractor",
        "Binarizer",
        "Cast",
        "CastLike",
        "Ceil",
        "Clip",
        "Concat",
        "CumSum",
        "Div",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Flatten",
        "Floor",
        "Gather",
        "GatherElements",
        "Gemm",
        "Greater",
        "GreaterOrEqual",
        "HardSigmoid",
        "Identity",
        "Imputer",
        "IsInf",
        "IsNaN",
        "LabelEncoder",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "LinearClassifier",
        "LinearRegressor",
        "Log",
        "LogSoftmax",
        "MatMul",
        "Max",
        "Mean",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Normalizer",
        "Not",
        "OneHotEncoder",
        "Or",
        "Pow",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Relu",
        "Reshape",
        "Round",
        "SVMClassifier",
        "SVMRegressor",
        "Scaler",
        "Selu",
        "Shape",
        "Sigmoid",
        "Sign",
        "Slice",
        "Softmax",
        "Softplus",
        "Split",
        "Sqrt",
        "Squeeze",
        "StringNormalizer",
        "Sub",
        "Sum",
        "Tanh",
        "TopK",
        "Transpose",
        "TreeEnsemble",
        "TreeEnsembleClassifier",
        "TreeEnsembleRegressor",
        "Unsqueeze",
        "Where",
        "Xor",
        "ZipMap",
    ]
)
MAX_INLINE_BYTES = 64 * 1024 * 1024


class BadGraph(ValueError):
    """The graph is not one that is served here."""


def check_graph(model: Any) -> None:
    """Demand standard operators, all data inside, and sound trees."""
    for used in model.opset_import:
        if used.domain not in _DOMAINS:
            raise BadGraph(
                f"The graph uses operators of the domain {used.domain!r}; only the "
                "standard ones are served."
            )
    if len(model.functions):
        raise BadGraph("The graph defines functions of its own; inline them first.")
    for count, node in enumerate(all_nodes(model.graph)):
        if count >= MAX_NODES:
            raise BadGraph(f"The graph has more than {MAX_NODES:,} nodes.")
        _check_node(node)
    for tensor in _tensors(model.graph):
        if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
            raise BadGraph(
                "The graph keeps its weights in another file; save it with all data "
                "inside (onnx.save with save_as_external_data=False)."
            )


def _check_node(node: Any) -> None:
    domain = node.domain if node.domain != "ai.onnx" else ""
    if domain not in _DOMAINS:
        raise BadGraph(f"The operator {node.domain}.{node.op_type} is not standard.")
    if not onnx.defs.has(node.op_type, domain=domain):
        raise BadGraph(f"The operator {node.op_type} is not a standard one.")
    if node.op_type.startswith("TreeEnsemble"):
        _check_trees(node)
    elif node.op_type in ("SVMClassifier", "SVMRegressor"):
        _check_vectors(attributes(node), node.op_type)


def all_nodes(graph: Any) -> Iterator[Any]:
    """Every node of a graph and of the graphs inside its nodes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from all_nodes(attribute.g)
            for inner in attribute.graphs:
                yield from all_nodes(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors
            if attribute.type == AttributeProto.SPARSE_TENSOR:
                yield from (
                    attribute.sparse_tensor.values,
                    attribute.sparse_tensor.indices,
                )
            if attribute.type == AttributeProto.GRAPH:
                yield from _tensors(attribute.g)
            for inner in attribute.graphs:
                yield from _tensors(inner)


def attributes(node: Any) -> dict[str, Any]:
    """A node's attributes as Python values."""
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _check_trees(node: Any) -> None:
    found = attributes(node)
    if node.op_type == "TreeEnsemble":
        _check_new_trees(found)
        return
    trees = np.asarray(found.get("nodes_treeids", ()), dtype=np.int64)
    ids = np.asarray(found.get("nodes_nodeids", ()), dtype=np.int64)
    modes = found.get("nodes_modes", ())
    lengths = {len(trees), len(ids), len(modes)}
    for name in ("nodes_truenodeids", "nodes_falsenodeids", "nodes_featureids"):
        lengths.add(len(found.get(name, ())))
    lengths.add(_length(found, "nodes_values"))
    optional = {_length(found, "nodes_hitrates"), 0}
    optional.add(len(found.get("nodes_missing_value_tracks_true", ())))
    if not optional <= {0, len(ids)}:
        raise BadGraph("A tree's lists have different lengths.")
    if len(lengths) != 1 or not len(ids):
        raise BadGraph("A tree's lists have different lengths.")
    place = {
        key: index
        for index, key in enumerate(zip(trees.tolist(), ids.tolist(), strict=True))
    }
    if len(place) != len(ids):
        raise BadGraph("A tree names a node twice.")
    _check_links(found, trees.tolist(), modes, place)
    _check_leaves(found, place, node.op_type)


def _check_vectors(found: Mapping[str, Any], kind: str) -> None:
    """Support vectors, their coefficients and the offsets must go together."""
    vectors, weights = found.get("support_vectors", ()), found.get("coefficients", ())
    per_class = found.get("vectors_per_class", ())
    count = sum(per_class) if kind == "SVMClassifier" else found.get("n_supports", 0)
    classes = len(
        found.get("classlabels_ints") or found.get("classlabels_strings") or ()
    )
    if count == 0:
        return  # a linear machine; the runtime multiplies matrices
    pairs = classes * (classes - 1) // 2 if kind == "SVMClassifier" else 1
    rows = classes - 1 if kind == "SVMClassifier" else 1
    offsets = [len(found.get(name, ())) for name in ("prob_a", "prob_b")]
    if (
        min(per_class, default=0) < 0
        or (kind == "SVMClassifier" and len(per_class) != classes)
        or len(vectors) % count
        or len(weights) != rows * count
        or len(found.get("rho", ())) < pairs
        or any(size not in (0, pairs) for size in offsets)
    ):
        raise BadGraph("A support vector machine's lists do not go together.")


def _check_links(
    found: Mapping[str, Any], trees: list[int], modes: Any, place: Mapping[Any, int]
) -> None:
    """Every child exists and has one parent at most, so no walk goes in a circle."""
    parents: set[int] = set()
    roots = set(range(len(trees)))
    for index, tree in enumerate(trees):
        if modes[index] == b"LEAF":
            continue
        for name in ("nodes_truenodeids", "nodes_falsenodeids"):
            child = place.get((tree, found[name][index]))
            if child is None or child in parents or child == index:
                raise BadGraph("A tree points to a node that is not below it.")
            parents.add(child)
            roots.discard(child)
    if len(roots) != len(set(trees)):
        raise BadGraph("A tree has another number of roots than one.")


def _check_leaves(
    found: Mapping[str, Any], place: Mapping[Any, int], kind: str
) -> None:
    name = "class" if kind == "TreeEnsembleClassifier" else "target"
    trees, nodes = found.get(f"{name}_treeids", ()), found.get(f"{name}_nodeids", ())
    ids = found.get(f"{name}_ids", ())
    if not len(trees) == len(nodes) == len(ids) == _length(found, f"{name}_weights"):
        raise BadGraph("A tree's leaves have lists of different lengths.")
    if any(key not in place for key in zip(trees, nodes, strict=True)):
        raise BadGraph("A leaf is not a node of its tree.")
    labels = found.get("classlabels_strings") or found.get("classlabels_int64s") or ()
    count = len(labels) if name == "class" else found.get("n_targets", 1)
    if len(ids) and not 0 <= min(ids) <= max(ids) < max(count, 1):
        raise BadGraph("A leaf votes for a class that does not exist.")


def _check_new_trees(found: Mapping[str, Any]) -> None:
    nodes = len(found.get("nodes_featureids", ()))
    leaves = len(found.get("leaf_targetids", ()))
    sizes = {_size(found.get("nodes_modes")), _size(found.get("nodes_splits"))}
    tracks = len(found.get("nodes_missing_value_tracks_true", ()))
    if sizes != {nodes} or tracks not in (0, nodes):
        raise BadGraph("A tree's lists have different lengths.")
    if _size(found.get("leaf_weights")) != leaves or not leaves:
        raise BadGraph("A tree's leaves have lists of different lengths.")
    targets = found.get("n_targets", 1)
    if (
        leaves
        and not 0
        <= min(found["leaf_targetids"])
        <= max(found["leaf_targetids"])
        < targets
    ):
        raise BadGraph("A leaf adds to a target that does not exist.")
    for side in ("true", "false"):
        ids = found.get(f"nodes_{side}nodeids", ())
        is_leaf = found.get(f"nodes_{side}leafs", ())
        if len(ids) != nodes or len(is_leaf) != nodes:
            raise BadGraph("A tree's lists have different lengths.")
        for index, (child, leaf) in enumerate(zip(ids, is_leaf, strict=True)):
            # A single-leaf tree points both sides of node k at the same leaf.
            low, limit = (0, leaves) if leaf else (index + 1, nodes)
            if not low <= child < limit:
                raise BadGraph("A tree points to a node that is not below it.")
    roots = found.get("tree_roots", ())
    if len(roots) and not 0 <= min(roots) <= max(roots) < nodes:
        raise BadGraph("A tree starts at a node that does not exist.")


def _length(found: Mapping[str, Any], name: str) -> int:
    """Length of a list that may be given as floats or as a tensor."""
    return len(found.get(name, ())) or _size(found.get(f"{name}_as_tensor"))


def _size(tensor: Any) -> int:
    return 0 if tensor is None else int(numpy_helper.to_array(tensor).size)


def is_inline_safe(model: Any, widths: Mapping[str, int]) -> bool:
    """True when the API process may run the graph itself.

    Args:
        widths: Number of columns of each input tensor. A tree that asks for a
            column beyond them would read memory that is not its own.
    """
    if model.ByteSize() > MAX_INLINE_BYTES:
        return False
    if any(node.op_type not in _INLINE for node in all_nodes(model.graph)):
        return False
    shapes = _known_widths(model, widths)
    for node in all_nodes(model.graph):
        if node.op_type.startswith("TreeEnsemble"):
            asked = attributes(node).get("nodes_featureids", ())
            width = shapes.get(node.input[0])
            if width is None or (
                len(asked) and not 0 <= min(asked) <= max(asked) < width
            ):
                return False
    return True


def _known_widths(model: Any, widths: Mapping[str, int]) -> dict[str, int]:
    known = dict(widths)
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except Exception:  # then nothing more is known, and the host runs it
        return known
    for value in (*inferred.graph.value_info, *inferred.graph.input):
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 2 and dims[1].dim_value > 0:
            known.setdefault(value.name, dims[1].dim_value)
    for node in model.graph.node:
        if (
            node.op_type in ("Cast", "Identity", "Scaler", "Imputer")
            and node.input[0] in known
        ):
            known.setdefault(node.output[0], known[node.input[0]])
    return known
