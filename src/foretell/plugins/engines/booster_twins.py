"""Writes XGBoost's and LightGBM's trees as ONNX graphs.

XGBoost compares and adds in single precision, LightGBM in double; the graph does as
its library does, tree by tree in the same order. What a comparison with one number
cannot say (categories, zeros that are missing, linear leaves) is left to the library.
"""

from collections.abc import Iterator

import numpy as np

from foretell.models.ports import (
    Candidate,
    CannotConvert,
    EngineSpec,
    Feed,
    LoadedModel,
)
from foretell.plugins.engines.onnx_graphs import BadGraph, check_graph, is_inline_safe
from foretell.plugins.engines.tree_graphs import Plan, Tree, graph_of, serialised
from foretell.plugins.estimators.boosted import Boosted, BoostedTree
from foretell.plugins.estimators.lightgbm_files import VALUES
from foretell.plugins.estimators.xgboost_files import LINKS


def booster_twins(
    boosted: Boosted, model: LoadedModel
) -> Iterator[Candidate | CannotConvert]:
    """The graph of a booster's trees, or why there is none."""
    try:
        yield _twin(boosted, model)
    except CannotConvert as refusal:
        yield refusal
    except BadGraph as error:
        yield CannotConvert(str(error))


def _twin(boosted: Boosted, model: LoadedModel) -> Candidate:
    if boosted.codes:
        raise CannotConvert("Columns of categories by name are left to the library.")
    graph = graph_of(booster_plan(boosted), len(boosted.columns))
    check_graph(graph)
    truth = model.predictor.spec
    feeds = [Feed("X", list(range(len(boosted.columns))), "float64")]
    spec = EngineSpec(
        engine="onnxruntime",
        scores=truth.scores,
        classes=truth.classes,
        feeds=feeds,
        label=graph.graph.output[0].name,
        score=graph.graph.output[1].name if truth.classes else None,
        raw_labels=list(range(len(truth.classes))) if truth.classes else None,
        size=truth.size,
        is_inline=is_inline_safe(graph, {"X": len(boosted.columns)}),
    )
    return Candidate(spec, serialised(graph), "trees", ".onnx")


def booster_plan(boosted: Boosted) -> Plan:
    """How a booster adds up its trees. Raises CannotConvert if a graph cannot."""
    if boosted.trees is None:
        raise CannotConvert("A linear booster has no trees.")
    if any(tree.is_linear for tree, _ in boosted.trees):
        raise CannotConvert("Linear models in leaves are left to the library.")
    if any(tree.is_odd.any() for tree, _ in boosted.trees):
        raise CannotConvert(
            "Splits by categories, and by zeros that count as missing, are left to "
            "the library."
        )
    if boosted.form in ("labels", "multilabel"):
        raise CannotConvert("Answers of this objective are left to the library.")
    trees = [(_tree(tree), output, 0) for tree, output in boosted.trees]
    is_single = boosted.library == "xgboost"
    if is_single:  # it starts from the intercept and adds tree by tree
        starts = [(_leaf(base), n, 0) for n, base in enumerate(boosted.base)]
        trees = starts + trees
    if not trees:
        raise CannotConvert("The booster has no trees yet.")
    return Plan(
        trees=trees,
        targets=boosted.outputs,
        base=[0.0] * boosted.outputs,
        link=_link(boosted),
        is_single=is_single,
        sums_single=is_single,
        divisor=boosted.divisor,
        factor=_sigmoid(boosted),
    )


def _link(boosted: Boosted) -> str:
    name, *flags = boosted.objective.split(" ")
    if boosted.library == "xgboost":
        return LINKS[name]
    if name == "regression" and "sqrt" in flags:
        return "signed_square"
    links = {"binary": "sigmoid", "multiclass": "softmax", "multiclassova": "sigmoids"}
    return links[name] if name in links else VALUES[name]


def _sigmoid(boosted: Boosted) -> float:
    pairs = [one.split(":") for one in boosted.objective.split(" ")]
    return next((float(one[1]) for one in pairs if one[0] == "sigmoid"), 1.0)


def _tree(tree: BoostedTree) -> Tree:
    return Tree(
        left=tree.left,
        right=tree.right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_left,
        values=tree.value[:, None],
    )


def _leaf(value: float) -> Tree:
    none, nothing = np.array([-1]), np.zeros(1)
    return Tree(
        left=none,
        right=none,
        feature=np.zeros(1, dtype=np.int64),
        threshold=nothing,
        missing_left=nothing != 0,
        values=np.array([[value]]),
    )
