"""Reads the trees inside a fitted model: are they sound, and where do they split?

`Tree.__setstate__` and the histogram predictors take any index from a pickle, and
their C code follows it, so every index is checked before the first prediction.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.plugins.estimators.columns import inner_models, steps_of

_MAX_DEPTH = 40


class BrokenTree(ValueError):
    """A tree points outside of itself or of its features."""


def all_parts(model: Any, depth: int = 0) -> Iterator[Any]:
    """Every estimator inside a model, the model itself included."""
    if depth > _MAX_DEPTH or isinstance(model, str) or model is None:
        return
    yield model
    for step in steps_of(model) if hasattr(model, "steps") else []:
        yield from all_parts(step, depth + 1)
    for place in ("transformers_", "transformer_list"):
        for part in getattr(model, place, None) or []:
            yield from all_parts(part[1], depth + 1)
    for inner in inner_models(model):
        if not isinstance(inner, np.ndarray | list):
            yield from all_parts(inner, depth + 1)
    yield from (part for part in _stages(model))


def _stages(model: Any) -> Iterator[Any]:
    """The trees of boosting, which sit in an array."""
    stages = getattr(model, "estimators_", None)
    if isinstance(stages, np.ndarray):
        yield from stages.ravel().tolist()


def check_trees(model: Any) -> None:
    """Raise BrokenTree if any tree in the model is not sound."""
    for part in all_parts(model):
        width = getattr(part, "n_features_in_", None)
        tree = vars(part).get("tree_") if hasattr(part, "__dict__") else None
        if tree is not None and hasattr(tree, "children_left"):
            _check_tree(tree, width)
        for stage in getattr(part, "_predictors", None) or []:
            for predictor in stage:
                _check_nodes(predictor, width)


def _check_tree(tree: Any, width: int | None) -> None:
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    feature = np.asarray(tree.feature)
    count = tree.node_count
    is_leaf = left == -1
    if len(left) != count or tree.value.shape[0] != count or count < 1:
        raise BrokenTree("A tree has another number of nodes than it says.")
    if width is not None and tree.n_features != width:
        raise BrokenTree("A tree was made for another number of features.")
    inner = ~is_leaf
    _check_children(left[inner], right[inner], np.flatnonzero(inner), count)
    if ((feature[inner] < 0) | (feature[inner] >= tree.n_features)).any():
        raise BrokenTree("A tree asks for a feature that does not exist.")


def _check_nodes(predictor: Any, width: int | None) -> None:
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    inner = nodes[~is_leaf]
    _check_children(
        inner["left"].astype(np.int64),
        inner["right"].astype(np.int64),
        np.flatnonzero(~is_leaf),
        len(nodes),
    )
    if width is not None and (inner["feature_idx"] >= width).any():
        raise BrokenTree("A tree asks for a feature that does not exist.")
    categories = inner["bitset_idx"][inner["is_categorical"].astype(bool)]
    sets = min(
        len(predictor.raw_left_cat_bitsets), len(predictor.binned_left_cat_bitsets)
    )
    if (categories >= sets).any():
        raise BrokenTree("A tree asks for a set of categories that does not exist.")


def _check_children(
    left: npt.NDArray[Any], right: npt.NDArray[Any], at: npt.NDArray[Any], count: int
) -> None:
    """Children come after their parent, so there is no way round in a circle."""
    for child in (left, right):
        if ((child <= at) | (child >= count)).any():
            raise BrokenTree("A tree points to a node that does not exist.")


def thresholds(model: Any, width: int) -> list[npt.NDArray[np.float64]]:
    """Values at which the trees of a model split, per column the trees see."""
    found: list[list[npt.NDArray[np.float64]]] = [[] for _ in range(width)]
    for part in all_parts(model):
        tree = vars(part).get("tree_") if hasattr(part, "__dict__") else None
        if tree is not None and hasattr(tree, "children_left"):
            inner = tree.children_left != -1
            _collect(found, tree.feature[inner], tree.threshold[inner])
        for stage in getattr(part, "_predictors", None) or []:
            for predictor in stage:
                nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
                _collect(found, nodes["feature_idx"], nodes["num_threshold"])
    return [np.unique(np.concatenate(one)) if one else np.empty(0) for one in found]


def has_endless_split(model: Any) -> bool:
    """Whether a tree splits at infinity: into the missing values and all others."""
    for part in all_parts(model):
        tree: Any = getattr(part, "tree_", None)
        if hasattr(tree, "children_left"):
            inner = tree.children_left != -1
            if np.isinf(tree.threshold[inner]).any():
                return True
    return False


def _collect(
    found: list[list[npt.NDArray[np.float64]]],
    features: npt.NDArray[Any],
    values: npt.NDArray[Any],
) -> None:
    is_finite = np.isfinite(values)  # a split on missing values alone has none
    features, values = features[is_finite], values[is_finite]
    for feature in np.unique(features):
        if 0 <= feature < len(found):
            found[int(feature)].append(values[features == feature].astype(np.float64))
