"""One tree of a LightGBM file: read and checked.

The nodes that split are numbered from 0, the leaves apart from them: a child `~k` is
leaf `k`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.plugins.estimators.boosted import (
    BadBooster,
    BoostedTree,
    Indices,
    Numbers,
    levels_of,
)

_MAX_LEAVES = 10_000_000
# LightGBM takes a number this near to zero for zero, before it looks at any tree.
ZERO = float(np.float32(1e-35))
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_ZERO_IS_MISSING = 1


@dataclass(frozen=True, slots=True)
class LightgbmTree:
    """The arrays of a tree, as the file has them.

    Attributes:
        linear: For trees with linear models in their leaves the file's four arrays.
    """

    feature: Indices
    threshold: Numbers
    decision: Indices
    left: Indices
    right: Indices
    value: Numbers
    cat_boundaries: Indices
    cat_threshold: Indices
    linear: tuple[Numbers, Indices, Indices, Numbers] | None

    def boosted(self) -> BoostedTree:
        """The tree as it answers, its leaves after the nodes that split."""
        inner, leaves = len(self.feature), len(self.value)
        is_set = (self.decision & _CATEGORICAL) != 0
        threshold = np.where(is_set, 0, _without_zeros(self.threshold))
        missing = (self.decision >> 2) & 3
        default_left = (self.decision & _DEFAULT_LEFT) != 0
        zero_left = threshold >= 0
        # Where zero means missing it may go another way than its neighbours.
        parts = (missing == _ZERO_IS_MISSING) & (default_left != zero_left)
        # Where a missing value is none of its own, it counts as zero.
        goes_left = np.where(missing == 0, zero_left, default_left)
        none = np.full(leaves, -1, dtype=np.int64)
        nothing = np.zeros(leaves)
        return BoostedTree(
            left=np.concatenate([_joined(self.left, inner), none]),
            right=np.concatenate([_joined(self.right, inner), none]),
            feature=np.concatenate([self.feature, np.zeros(leaves, dtype=np.int64)]),
            threshold=np.concatenate([threshold, nothing]),
            missing_left=np.concatenate([goes_left, nothing != 0]),
            is_odd=np.concatenate([is_set | parts, nothing != 0]),
            value=np.concatenate([np.zeros(inner), self.value]),
            is_linear=self.linear is not None,
        )

    def written(self) -> Iterator[str]:
        """The lines of the tree as LightGBM reads them."""
        yield f"num_leaves={len(self.value)}"
        yield f"num_cat={max(0, len(self.cat_boundaries) - 1)}"
        yield "split_feature=" + _listed(self.feature)
        yield "threshold=" + _listed(self.threshold)
        yield "decision_type=" + _listed(self.decision)
        yield "left_child=" + _listed(self.left)
        yield "right_child=" + _listed(self.right)
        yield "leaf_value=" + _listed(self.value)
        if len(self.cat_boundaries):
            yield "cat_boundaries=" + _listed(self.cat_boundaries)
            yield "cat_threshold=" + _listed(self.cat_threshold)
        yield f"is_linear={int(self.linear is not None)}"
        if self.linear is not None:
            constant, counts, features, weights = self.linear
            yield "leaf_const=" + _listed(constant)
            yield "num_features=" + _listed(counts)
            yield "leaf_features=" + _listed(features)
            yield "leaf_coeff=" + _listed(weights)
        yield "shrinkage=1"


def read_tree(block: Mapping[str, str], width: int) -> LightgbmTree:
    """Check one tree.

    Args:
        width: Number of columns of the model.

    Raises:
        BadBooster: Its lists do not go together, or point nowhere.
    """
    (leaves,) = _whole(block["num_leaves"], 1)
    (sets,) = _whole(block["num_cat"], 1)
    (is_linear,) = _whole(block.get("is_linear", "0"), 1)
    if not 1 <= leaves <= _MAX_LEAVES or not 0 <= sets <= _MAX_LEAVES:
        raise BadBooster("A LightGBM tree has no proper number of leaves.")
    inner = int(leaves) - 1
    tree = LightgbmTree(
        feature=_whole(block.get("split_feature", ""), inner),
        threshold=_numbers(block.get("threshold", ""), inner, may_be_infinite=True),
        decision=_whole(block.get("decision_type", " ".join(["0"] * inner)), inner),
        left=_whole(block.get("left_child", ""), inner),
        right=_whole(block.get("right_child", ""), inner),
        value=_numbers(block["leaf_value"], int(leaves)),
        cat_boundaries=(
            _whole(block["cat_boundaries"], int(sets) + 1)
            if sets
            else np.empty(0, dtype=np.int64)
        ),
        cat_threshold=(
            _whole(block["cat_threshold"], None)
            if sets
            else np.empty(0, dtype=np.int64)
        ),
        linear=_linear(block, int(leaves), width) if is_linear else None,
    )
    _check_nodes(tree, width)
    _check_sets(tree, int(sets))
    return tree


def _check_nodes(tree: LightgbmTree, width: int) -> None:
    inner, leaves = len(tree.feature), len(tree.value)
    if ((tree.feature < 0) | (tree.feature >= width)).any():
        raise BadBooster("A LightGBM tree asks for a column that does not exist.")
    if ((tree.decision < 0) | (tree.decision > 15)).any():
        raise BadBooster("A LightGBM tree decides in an unknown way.")
    at = np.arange(inner)
    for child in (tree.left, tree.right):
        is_leaf = child < 0
        if (is_leaf & (~child >= leaves)).any():
            raise BadBooster("A LightGBM tree points to a leaf that does not exist.")
        if (~is_leaf & ((child <= at) | (child >= inner))).any():
            raise BadBooster("A LightGBM tree points to a node that does not exist.")
    joined = [_joined(child, inner) for child in (tree.left, tree.right)]
    none = np.full(leaves, -1, dtype=np.int64)
    reached = levels_of(*(np.concatenate([one, none]) for one in joined))
    if inner and len(reached) != inner + leaves:
        raise BadBooster("A LightGBM tree has leaves that nothing leads to.")


def _check_sets(tree: LightgbmTree, sets: int) -> None:
    is_set = (tree.decision & _CATEGORICAL) != 0
    index = tree.threshold[is_set]
    if (~((index >= 0) & (index < sets)) | (index != np.floor(index))).any():
        raise BadBooster("A LightGBM tree asks for categories that do not exist.")
    ends, bits = tree.cat_boundaries, tree.cat_threshold
    if not sets:
        return
    if ends[0] != 0 or (np.diff(ends) < 0).any() or ends[-1] != len(bits):
        raise BadBooster("A LightGBM tree has broken categories.")
    if ((bits < 0) | (bits >= 2**32)).any():
        raise BadBooster("A LightGBM tree has broken categories.")


def _linear(
    block: Mapping[str, str], leaves: int, width: int
) -> tuple[Numbers, Indices, Indices, Numbers]:
    counts = _whole(block["num_features"], leaves)
    if (counts < 0).any() or counts.sum() > _MAX_LEAVES:
        raise BadBooster("A linear LightGBM tree has broken leaves.")
    total = int(counts.sum())
    features = _whole(block["leaf_features"], total)
    if ((features < 0) | (features >= width)).any():
        raise BadBooster("A linear LightGBM tree asks for a column not there.")
    constants = _numbers(block["leaf_const"], leaves)
    return constants, counts, features, _numbers(block["leaf_coeff"], total)


def _joined(child: Indices, inner: int) -> Indices:
    """Children in one numbering, the leaves after the nodes that split."""
    return np.where(child < 0, inner + ~child, child)


def _whole(text: str, count: int | None) -> Indices:
    words = text.split()
    try:
        found = np.array([int(word) for word in words], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise BadBooster("A LightGBM tree has text for a whole number.") from error
    if count is not None and len(found) != count:
        raise BadBooster("The lists of a LightGBM tree have different lengths.")
    return found


def _without_zeros(threshold: Numbers) -> Numbers:
    """Thresholds that say of every number what LightGBM says of it rounded to zero."""
    below = np.nextafter(-ZERO, -np.inf)
    near = np.where(threshold < 0, below, ZERO)
    return np.where(np.abs(threshold) <= ZERO, near, threshold)


def _numbers(text: str, count: int, *, may_be_infinite: bool = False) -> Numbers:
    try:
        found = np.array([float(word) for word in text.split()], dtype=np.float64)
    except ValueError as error:
        raise BadBooster("A LightGBM tree has text for a number.") from error
    if len(found) != count:
        raise BadBooster("The lists of a LightGBM tree have different lengths.")
    # A split at infinity parts what is missing from all numbers.
    is_number = ~np.isnan(found) if may_be_infinite else np.isfinite(found)
    if not is_number.all():
        raise BadBooster("A LightGBM tree holds a number that is not finite.")
    return found


def _listed(values: npt.NDArray[np.generic]) -> str:
    return " ".join(repr(one) for one in values.tolist())
