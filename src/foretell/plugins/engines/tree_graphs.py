"""Writes the trees of scikit-learn as ONNX graphs in double precision.

skl2onnx rounds thresholds to single precision and loses the way missing values go in
forests (onnx/sklearn-onnx issue 1253). The operator `TreeEnsemble` of ai.onnx.ml 5
holds doubles and a direction for missing values, so a graph that follows scikit-learn
step by step exists: forests and GradientBoosting compare single-precision inputs with
double thresholds, histogram boosting compares doubles.

A leaf of this operator adds to one target only, so a forest over K > 2 classes is
written K times, once for each class.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from foretell.models.ports import CannotConvert

MAX_NODES = 2_000_000
OPSETS = {"": 18, "ai.onnx.ml": 5}
Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree, node by node; `left[i] == -1` marks a leaf.

    Attributes:
        values: What a row that ends in node i adds; one column per target.
    """

    left: Indices
    right: Indices
    feature: Indices
    threshold: Numbers
    missing_left: npt.NDArray[np.bool_]
    values: Numbers


@dataclass(slots=True)
class Ensemble:
    """Trees with the target each one adds to, collected for one operator."""

    attributes: dict[str, list[Any]] = field(
        default_factory=lambda: {
            name: []
            for name in [
                "tree_roots",
                "nodes_featureids",
                "nodes_splits",
                "nodes_truenodeids",
                "nodes_falsenodeids",
                "nodes_trueleafs",
                "nodes_falseleafs",
                "nodes_missing_value_tracks_true",
                "leaf_weights",
                "leaf_targetids",
            ]
        }
    )
    nodes: int = 0
    leaves: int = 0

    def add(self, tree: Tree, target: int, column: int) -> None:
        """Append a tree; `column` says which of its values are added."""
        is_leaf = tree.left == -1
        inner, leaf = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
        place = np.empty(len(is_leaf), dtype=np.int64)
        place[inner] = self.nodes + np.arange(len(inner))
        place[leaf] = self.leaves + np.arange(len(leaf))
        if self.nodes + len(inner) > MAX_NODES:
            raise CannotConvert("The trees have too many nodes for a graph.")
        self._extend("tree_roots", [self.nodes])
        if not len(inner):
            self._add_single_leaf()
        for side, child in (("true", tree.left[inner]), ("false", tree.right[inner])):
            self._extend(f"nodes_{side}nodeids", place[child].tolist())
            self._extend(f"nodes_{side}leafs", is_leaf[child].astype(int).tolist())
        self._extend("nodes_featureids", tree.feature[inner].tolist())
        self._extend("nodes_splits", tree.threshold[inner].tolist())
        tracks = tree.missing_left[inner].astype(int).tolist()
        self._extend("nodes_missing_value_tracks_true", tracks)
        self._extend("leaf_weights", tree.values[leaf, column].tolist())
        self._extend("leaf_targetids", [target] * len(leaf))
        self.nodes += len(inner) if len(inner) else 1
        self.leaves += len(leaf)

    def _add_single_leaf(self) -> None:
        for side in ("true", "false"):
            self._extend(f"nodes_{side}nodeids", [self.leaves])
            self._extend(f"nodes_{side}leafs", [1])
        self._extend("nodes_featureids", [0])
        self._extend("nodes_splits", [0.0])
        self._extend("nodes_missing_value_tracks_true", [0])

    def _extend(self, name: str, items: Sequence[Any]) -> None:
        self.attributes[name].extend(items)

    def node(self, source: str, result: str, targets: int, *, is_float: bool) -> Any:
        """The operator over the tensor `source`, in single precision or in double."""
        parts: dict[str, Any] = dict(self.attributes)
        kind = np.float32 if is_float else np.float64
        for name in ("nodes_splits", "leaf_weights"):
            parts[name] = numpy_helper.from_array(np.array(parts[name], kind))
        modes = np.zeros(self.nodes, dtype=np.uint8)
        return helper.make_node(
            "TreeEnsemble",
            [source],
            [result],
            domain="ai.onnx.ml",
            n_targets=targets,
            aggregate_function=1,
            post_transform=0,
            nodes_modes=numpy_helper.from_array(modes),
            **parts,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model adds up its trees.

    Attributes:
        trees: (tree, target, column of its values).
        link: What happens to the sum: `identity`, `exp`, `logistic`, `softplus` and
            `signed_square` for regressors; `votes` (probabilities averaged),
            `sigmoid`, `softmax`, `sigmoids` (one for each class) for classifiers.
        is_single: Inputs are rounded to single precision before they are compared.
        zero_is_positive: A raw score of 0 means the second class.
        sums_single: The sum itself is one of single precision, as XGBoost's is.
    """

    trees: list[tuple[Tree, int, int]]
    targets: int
    base: list[float]
    link: str
    is_single: bool
    divisor: float = 1.0
    zero_is_positive: bool = False
    factor: float = 1.0
    sums_single: bool = False


def plan_of(model: Any) -> Plan:
    """Read a fitted tree model. Raises CannotConvert for any other."""
    name = type(model).__name__
    if not has_plan(model):
        raise CannotConvert("Not a tree model.")
    try:
        return PLANS[name](model)
    except (AttributeError, IndexError, TypeError) as error:
        raise CannotConvert(f"The trees cannot be read: {error}") from error


def has_plan(model: Any) -> bool:
    """True for the tree models of scikit-learn that can be read."""
    is_own = type(model).__module__.split(".")[0] == "sklearn"
    return is_own and type(model).__name__ in PLANS


def graph_of(plan: Plan, width: int, before: Any | None = None) -> Any:
    """The graph from the inputs (or from a preprocessing graph) to the answers.

    Args:
        width: Number of columns the trees see.
        before: A graph whose first output is those columns.
    """
    ensemble = Ensemble()
    for tree, target, column in plan.trees:
        ensemble.add(tree, target, column)
    if before is None:
        source, nodes, constants, opsets = "X", [], [], dict(OPSETS)
        inputs = [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, width])]
    else:
        source = before.graph.output[0].name
        nodes, constants = list(before.graph.node), list(before.graph.initializer)
        inputs = list(before.graph.input)
        opsets = {one.domain: one.version for one in before.opset_import} | OPSETS
    if plan.is_single:
        nodes.append(_cast(source, "tree_single", TensorProto.FLOAT))
        source = "tree_single"
    if plan.sums_single:
        added = ensemble.node(source, "tree_added", plan.targets, is_float=True)
        nodes += [added, _cast("tree_added", "tree_sum", TensorProto.DOUBLE)]
    else:
        nodes.append(_cast(source, "tree_double", TensorProto.DOUBLE))
        nodes.append(
            ensemble.node("tree_double", "tree_sum", plan.targets, is_float=False)
        )
    tail = _Tail(nodes, constants)
    outputs = tail.finish(plan)
    graph = helper.make_graph(nodes, "trees", inputs, outputs, constants)
    imports = [helper.make_opsetid(domain, number) for domain, number in opsets.items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def _cast(source: str, result: str, to: int) -> Any:
    return helper.make_node("Cast", [source], [result], to=to)


class _Tail:
    """The arithmetic after the trees."""

    def __init__(self, nodes: list[Any], constants: list[Any]) -> None:
        self._nodes = nodes
        self._constants = constants

    def constant(self, name: str, value: Any) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def do(self, operator: str, inputs: list[str], result: str, **more: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [result], **more))
        return result

    def finish(self, plan: Plan) -> list[Any]:
        divisor = self.constant("tree_divisor", np.float64(plan.divisor))
        mean = self.do("Div", ["tree_sum", divisor], "tree_mean")
        base = self.constant("tree_base", np.array([plan.base], dtype=np.float64))
        raw = self.do("Add", [mean, base], "tree_raw")
        if plan.link == "signed_square":
            self.do("Mul", [raw, self.do("Abs", [raw], "tree_abs")], "prediction")
        elif plan.link in _VALUES:
            self.do(_VALUES[plan.link], [raw], "prediction")
        if plan.link in (*_VALUES, "signed_square"):
            return [_output("prediction", TensorProto.DOUBLE, plan.targets)]
        chances = self._chances(plan, raw)
        self._label(plan, raw, chances)
        classes = max(plan.targets, 2)
        return [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
            _output("probabilities", TensorProto.DOUBLE, classes),
        ]

    def _chances(self, plan: Plan, raw: str) -> str:
        if plan.link == "softmax":
            return self.do("Softmax", [raw], "probabilities", axis=1)
        if plan.link == "votes" and plan.targets > 1:
            return self.do("Identity", [raw], "probabilities")
        positive = raw
        if plan.link in ("sigmoid", "sigmoids"):
            factor = self.constant("tree_factor", np.float64(plan.factor))
            scaled = self.do("Mul", [raw, factor], "tree_scaled")
            if plan.link == "sigmoids":
                return self.do("Sigmoid", [scaled], "probabilities")
            positive = self.do("Sigmoid", [scaled], "tree_positive")
        one = self.constant("tree_one", np.float64(1))
        negative = self.do("Sub", [one, positive], "tree_negative")
        return self.do("Concat", [negative, positive], "probabilities", axis=1)

    def _label(self, plan: Plan, raw: str, chances: str) -> None:
        if plan.targets > 1 or plan.link == "votes":
            source = raw if plan.link == "softmax" else chances
            self.do("ArgMax", [source], "label", axis=1, keepdims=0)
            return
        zero = self.constant("tree_zero", np.float64(0))
        operator = "GreaterOrEqual" if plan.zero_is_positive else "Greater"
        is_positive = self.do(operator, [raw, zero], "tree_is_positive")
        whole = self.do("Cast", [is_positive], "tree_label", to=TensorProto.INT64)
        shape = self.constant("tree_flat", np.array([-1], dtype=np.int64))
        self.do("Reshape", [whole, shape], "label")


_VALUES = {
    "identity": "Identity",
    "exp": "Exp",
    "logistic": "Sigmoid",
    "softplus": "Softplus",
}


def _output(name: str, kind: int, width: int) -> Any:
    return helper.make_tensor_value_info(name, kind, ["rows", width])


def _plain_tree(tree: Any, values: Numbers) -> Tree:
    return Tree(
        left=np.asarray(tree.children_left, dtype=np.int64),
        right=np.asarray(tree.children_right, dtype=np.int64),
        feature=np.asarray(tree.feature, dtype=np.int64),
        threshold=np.asarray(tree.threshold, dtype=np.float64),
        missing_left=np.asarray(tree.missing_go_to_left).astype(bool),
        values=values,
    )


def _forest(model: Any) -> Plan:
    members = [one.tree_ for one in getattr(model, "estimators_", [model])]
    if any(tree.value.shape[1] != 1 for tree in members):
        raise CannotConvert("Trees with several outputs are not written as a graph.")
    trees = [_plain_tree(tree, np.asarray(tree.value)[:, 0, :]) for tree in members]
    width = trees[0].values.shape[1]
    if not hasattr(model, "classes_"):
        plain = [(tree, 0, 0) for tree in trees]
        return Plan(plain, 1, [0.0], "identity", True, divisor=float(len(trees)))
    if width == 1:
        raise CannotConvert("A classifier of one class needs no graph.")
    columns = [1] if width == 2 else list(range(width))
    several = [
        (t, target, column) for t in trees for target, column in enumerate(columns)
    ]
    base = [0.0] * len(columns)
    return Plan(several, len(columns), base, "votes", True, divisor=float(len(trees)))


def _boosting(model: Any) -> Plan:
    stages = model.estimators_
    trees: list[tuple[Tree, int, int]] = []
    for row in stages:
        for target, one in enumerate(row):
            values = np.asarray(one.tree_.value)[:, 0, :] * model.learning_rate
            trees.append((_plain_tree(one.tree_, values), target, 0))
    targets = stages.shape[1]
    base = _boosting_base(model, targets)
    if not hasattr(model, "classes_"):
        return Plan(trees, 1, base, "identity", True)
    if targets > 1:
        return Plan(trees, targets, base, "softmax", True)
    factor = 2.0 if model.loss == "exponential" else 1.0
    return Plan(trees, 1, base, "sigmoid", True, zero_is_positive=True, factor=factor)


def _boosting_base(model: Any, targets: int) -> list[float]:
    """What the model says before its first tree, if that is the same for all rows."""
    if model.init_ != "zero" and type(model.init_).__name__ not in (
        "DummyClassifier",
        "DummyRegressor",
    ):
        raise CannotConvert("Boosting starts from another model.")
    rows = np.zeros((2, model.n_features_in_), dtype=np.float32)
    raw = np.asarray(model._raw_predict_init(rows), dtype=np.float64)
    return list(raw[0].reshape(targets).tolist())


def _histogram(model: Any) -> Plan:
    if getattr(model, "_preprocessor", None) is not None:
        raise CannotConvert("Histogram boosting with categories has no double graph.")
    trees: list[tuple[Tree, int, int]] = []
    for stage in model._predictors:
        for target, predictor in enumerate(stage):
            trees.append((_histogram_tree(predictor.nodes), target, 0))
    targets = len(model._predictors[0]) if model._predictors else 1
    base = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1).tolist()
    links = {
        "IdentityLink": "identity",
        "LogLink": "exp",
        "LogitLink": "sigmoid",
        "MultinomialLogit": "softmax",
    }
    link = links.get(type(model._loss.link).__name__)
    if link is None:
        raise CannotConvert("Histogram boosting with another link.")
    return Plan(trees, targets, base, link, False)


def _histogram_tree(nodes: Any) -> Tree:
    if nodes["is_categorical"].any():
        raise CannotConvert("Histogram boosting with categories has no double graph.")
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        values=nodes["value"].astype(np.float64)[:, None],
    )


PLANS: dict[str, Callable[[Any], Plan]] = {
    "DecisionTreeClassifier": _forest,
    "DecisionTreeRegressor": _forest,
    "ExtraTreeClassifier": _forest,
    "ExtraTreeRegressor": _forest,
    "ExtraTreesClassifier": _forest,
    "ExtraTreesRegressor": _forest,
    "GradientBoostingClassifier": _boosting,
    "GradientBoostingRegressor": _boosting,
    "HistGradientBoostingClassifier": _histogram,
    "HistGradientBoostingRegressor": _histogram,
    "RandomForestClassifier": _forest,
    "RandomForestRegressor": _forest,
}


def serialised(graph: Any) -> bytes:
    """The graph's bytes, after ONNX's own check."""
    onnx.checker.check_model(graph)
    data: bytes = graph.SerializeToString()
    return data
