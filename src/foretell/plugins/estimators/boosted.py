"""What a file of boosted trees says, whichever library wrote it.

The files are data, yet the libraries' readers in C++ follow indices and lengths
without asking. So each file is read here, checked, and written again from what was
checked: the library loads only the new bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from foretell.models.signature import Scalar
from foretell.plugins.estimators.columns import Known

MAX_COLUMNS = 20_000
MAX_OUTPUTS = 10_000
MAX_TREES = 1_000_000
MAX_LEVELS = 4_096

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Form = Literal["value", "values", "binary", "labels", "multiclass", "multilabel"]


class BadBooster(ValueError):
    """The file is cut off, points outside of itself, or is of another format."""


class UnservedBooster(ValueError):
    """A sound file of a kind that is not served here."""


@dataclass(frozen=True, slots=True)
class BoostedTree:
    """One tree, node by node; `left[i] == -1` marks a leaf, the root is node 0.

    Children come after their parent. A row goes left where its value is at most the
    threshold (LightGBM) or below it (XGBoost).

    Attributes:
        value: What a row that ends in the leaf adds.
        missing_left: Where a missing value goes.
        is_odd: Splits that a comparison with one number cannot say: of categories,
            or with zeros counted as missing. Leaves are never odd.
        is_linear: The leaves hold linear models.
    """

    left: Indices
    right: Indices
    feature: Indices
    threshold: Numbers
    missing_left: npt.NDArray[np.bool_]
    is_odd: npt.NDArray[np.bool_]
    value: Numbers
    is_linear: bool = False


@dataclass(frozen=True, slots=True)
class Boosted:
    """A checked file.

    Attributes:
        data: What the library loads.
        names: Names of the columns; None where the file has none.
        columns: What is known of each column.
        codes: Per column of categories the number that stands for each of them.
        form: What the library's scores mean. `labels`: 0 or 1 and no more.
        outputs: Number of scores of a row.
        objective: Its name, with parameters where the library writes them so.
        trees: The trees that answer, with the output that each one adds to; None
            for a booster that has no trees.
        base: What the sum starts from, one number per output.
        divisor: What the sum is divided by.
        rounds: How many rounds of boosting answer; None for all.
        saved: The version of the library that the file names.
        notes: Sentences for the person who uploaded the file.
    """

    library: Literal["xgboost", "lightgbm"]
    data: bytes
    names: list[str] | None
    columns: list[Known]
    codes: Mapping[int, Mapping[Scalar, int]]
    form: Form
    outputs: int
    objective: str
    trees: list[tuple[BoostedTree, int]] | None
    base: list[float]
    divisor: float = 1.0
    rounds: int | None = None
    saved: str | None = None
    notes: list[str] = field(default_factory=list)

    def thresholds(self) -> list[Numbers]:
        """Per column the values at which the trees compare it."""
        found: list[list[Numbers]] = [[] for _ in self.columns]
        for tree, _ in self.trees or ():
            plain = (tree.left != -1) & ~tree.is_odd & np.isfinite(tree.threshold)
            features, values = tree.feature[plain], tree.threshold[plain]
            for feature in np.unique(features).tolist():
                found[feature].append(values[features == feature])
        return [np.unique(np.concatenate(one)) if one else np.empty(0) for one in found]


def levels_of(left: Indices, right: Indices) -> Indices:
    """The nodes that can be reached from the first, parents before children.

    Args:
        left, right: Children of each node, both -1 for a leaf.

    Raises:
        BadBooster: A child does not exist or has two parents, a leaf has one
            child, or the tree is deeper than `MAX_LEVELS`.
    """
    is_leaf = left == -1
    if ((right == -1) != is_leaf).any():
        raise BadBooster("A node has one child only.")
    children = np.concatenate([left[~is_leaf], right[~is_leaf]])
    if ((children < 1) | (children >= len(left))).any():
        raise BadBooster("A tree points to a node that does not exist.")
    if len(np.unique(children)) != len(children):
        raise BadBooster("Two branches of a tree lead to the same node.")
    level, found = np.zeros(1, dtype=np.int64), []
    while len(level):
        found.append(level)
        if len(found) > MAX_LEVELS:
            raise BadBooster(f"A tree has more than {MAX_LEVELS:,} levels.")
        inner = level[~is_leaf[level]]
        level = np.column_stack([left[inner], right[inner]]).ravel()
    return np.concatenate(found)
