"""One tree of an XGBoost file: read, checked, numbered anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.plugins.estimators.boosted import (
    BadBooster,
    BoostedTree,
    Indices,
    UnservedBooster,
    levels_of,
)

_MAX_CATEGORY = 1 << 20
_ROOT_PARENT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class XgboostTree:
    """The nodes that count, parents before children.

    Attributes:
        condition: A threshold, or in a leaf what it adds.
        categories: Of each node that splits by categories, those that go right.
    """

    width: int
    left: Indices
    right: Indices
    feature: Indices
    condition: npt.NDArray[np.float32]
    default_left: npt.NDArray[np.bool_]
    categories: Mapping[int, Indices]

    def boosted(self, weight: np.float32) -> BoostedTree:
        """The tree as it answers, its leaves times `weight`.

        XGBoost compares `x < t` in single precision, which is `x <= u` with the
        number `u` just below `t`.
        """
        is_leaf = self.left == -1
        below = np.nextafter(self.condition, np.float32(-np.inf))
        is_odd = np.zeros(len(self.left), dtype=np.bool_)
        is_odd[list(self.categories)] = True
        return BoostedTree(
            left=self.left,
            right=self.right,
            feature=self.feature,
            threshold=np.where(is_leaf, 0, below).astype(np.float64),
            missing_left=self.default_left,
            is_odd=is_odd,
            value=np.where(is_leaf, self.condition * weight, 0).astype(np.float64),
        )

    def written(self, place: int) -> dict[str, Any]:
        """The tree as XGBoost reads it, the `place`-th of its model."""
        count = len(self.left)
        parents = np.full(count, _ROOT_PARENT, dtype=np.int32)
        inner = np.flatnonzero(self.left != -1)
        parents[self.left[inner]] = inner
        parents[self.right[inner]] = inner
        nothing = np.zeros(count, dtype=np.float32)
        return {
            "base_weights": nothing,
            "default_left": self.default_left.astype(np.uint8),
            "id": place,
            "left_children": self.left.astype(np.int32),
            "loss_changes": nothing,
            "parents": parents,
            "right_children": self.right.astype(np.int32),
            "split_conditions": self.condition,
            "split_indices": self.feature.astype(np.int32),
            "sum_hessian": nothing,
            "tree_param": {
                "num_deleted": "0",
                "num_feature": str(self.width),
                "num_nodes": str(count),
                "size_leaf_vector": "1",
            },
            **self._categories_written(),
        }

    def _categories_written(self) -> dict[str, Any]:
        nodes = sorted(self.categories)
        sets = [self.categories[node] for node in nodes]
        sizes = np.array([len(one) for one in sets], dtype=np.int64)
        kinds = np.zeros(len(self.left), dtype=np.uint8)
        kinds[nodes] = 1
        everything = np.concatenate(sets) if sets else np.empty(0)
        return {
            "categories": everything.astype(np.int32),
            "categories_nodes": np.array(nodes, dtype=np.int32),
            "categories_segments": np.cumsum(sizes, dtype=np.int64) - sizes,
            "categories_sizes": sizes,
            "split_type": kinds,
        }


def read_tree(tree: Mapping[str, Any], width: int) -> XgboostTree:
    """Check one tree.

    Args:
        width: Number of columns of the model.

    Raises:
        BadBooster: Its lists do not go together, or point nowhere.
        UnservedBooster: Its leaves hold one number for each target.
    """
    if str(tree["tree_param"].get("size_leaf_vector", "1")) not in ("0", "1"):
        raise UnservedBooster(
            "Trees with several values a leaf are not served; train with "
            "multi_strategy='one_output_per_tree'."
        )
    left = _whole(tree["left_children"])
    count = len(left)
    if not count:
        raise BadBooster("An XGBoost tree has no nodes.")
    right = _whole(tree["right_children"], count)
    kept = levels_of(left, right)
    feature = _whole(tree["split_indices"], count)[kept]
    condition = _numbers(tree["split_conditions"], count)[kept]
    defaults = _whole(tree["default_left"], count)[kept]
    place = np.full(count, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    is_leaf = left[kept] == -1
    feature = np.where(is_leaf, 0, feature)
    if ((feature < 0) | (feature >= width)).any():
        raise BadBooster("An XGBoost tree asks for a column that does not exist.")
    categories = _categories(tree, place, is_leaf)
    plain = np.ones(len(kept), dtype=np.bool_)
    plain[list(categories)] = False
    if not np.isfinite(condition[plain]).all():
        raise BadBooster("An XGBoost tree splits at, or adds, no finite number.")
    return XgboostTree(
        width=width,
        left=np.where(is_leaf, -1, place[left[kept]]),
        right=np.where(is_leaf, -1, place[right[kept]]),
        feature=feature,
        condition=np.where(plain, condition, 0).astype(np.float32),
        default_left=defaults == 1,
        categories=categories,
    )


def _categories(
    tree: Mapping[str, Any], place: Indices, is_leaf: npt.NDArray[np.bool_]
) -> dict[int, Indices]:
    if "split_type" not in tree:
        return {}
    kinds = _whole(tree["split_type"], len(place))
    if not kinds.any():
        return {}
    nodes = _whole(tree["categories_nodes"])
    starts = _whole(tree["categories_segments"], len(nodes))
    sizes = _whole(tree["categories_sizes"], len(nodes))
    everything = _whole(tree["categories"])
    if (
        ((nodes < 0) | (nodes >= len(place))).any()
        or ((starts < 0) | (sizes < 1) | (starts + sizes > len(everything))).any()
        or ((everything < 0) | (everything >= _MAX_CATEGORY)).any()
    ):
        raise BadBooster("An XGBoost tree has broken categories.")
    found: dict[int, Indices] = {}
    for node, start, size in zip(nodes, starts, sizes, strict=True):
        new = int(place[node])
        if new >= 0 and not is_leaf[new]:
            found[new] = everything[start : start + size]
    odd = place[np.flatnonzero(kinds)]
    if {int(new) for new in odd if new >= 0 and not is_leaf[new]} != set(found):
        raise BadBooster("An XGBoost tree splits by categories that are not there.")
    return found


def _whole(values: Any, count: int | None = None) -> Indices:
    found = np.asarray(values)
    if found.ndim != 1 or (found.dtype.kind not in "iub" and found.size):
        raise BadBooster("A list of an XGBoost tree holds no whole numbers.")
    if count is not None and len(found) != count:
        raise BadBooster("The lists of an XGBoost tree have different lengths.")
    return found.astype(np.int64)


def _numbers(values: Any, count: int) -> npt.NDArray[np.float32]:
    found = np.asarray(values)
    if found.ndim != 1 or found.dtype.kind not in "iuf" or len(found) != count:
        raise BadBooster("The lists of an XGBoost tree have different lengths.")
    with np.errstate(over="ignore"):
        return found.astype(np.float32)
