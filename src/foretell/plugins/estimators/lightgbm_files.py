"""Reads LightGBM's text files and writes them again checked.

LightGBM's reader looks for the next `=` wherever it is, and jumps as far as the sizes
in the file say. Only what prediction needs is kept and written anew, so nothing in
the new file points outside of it.

Source:
    `GBDT::LoadModelFromString`, `Tree::Tree(const char*)` and `Tree::Predict` in
    LightGBM 4.7.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from foretell.models.signature import MAX_VALUES, Scalar
from foretell.plugins.estimators.boosted import (
    MAX_COLUMNS,
    MAX_OUTPUTS,
    MAX_TREES,
    BadBooster,
    Boosted,
    Form,
    UnservedBooster,
)
from foretell.plugins.estimators.columns import Known
from foretell.plugins.estimators.lightgbm_trees import LightgbmTree, read_tree

VALUES = {
    "cross_entropy": "logistic",
    "cross_entropy_lambda": "softplus",
    "custom": "identity",
    "fair": "identity",
    "gamma": "exp",
    "huber": "identity",
    "lambdarank": "identity",
    "mape": "identity",
    "poisson": "exp",
    "quantile": "identity",
    "rank_xendcg": "identity",
    "regression": "identity",
    "regression_l1": "identity",
    "tweedie": "exp",
}
_CLASSIFIERS = ("binary", "multiclass", "multiclassova")
_LAST = b"pandas_categorical:"
_TREE_LINES = 22
_WHOLE = re.compile(r"-?[0-9]{1,9}\Z")


def is_lightgbm(head: bytes) -> bool:
    """True for the first bytes of a text file of LightGBM."""
    return re.match(rb"tree\r?\nversion=v[0-9]", head) is not None


def read_lightgbm(data: bytes) -> Boosted:
    """Check a text file of LightGBM.

    Raises:
        BadBooster: It is cut off, or something in it points nowhere.
        UnservedBooster: It is sound, and of a kind that is not served here.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadBooster("The LightGBM file is not text.") from error
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    try:
        header = _header(lines)
        reader = _Reader(header, _last_categories(data))
        trees = [read_tree(block, reader.width) for block in _blocks(lines)]
        return reader.boosted(trees)
    except (BadBooster, UnservedBooster):
        raise
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise BadBooster("The LightGBM file lacks a part or has it wrong.") from error


def _header(lines: Iterator[str]) -> dict[str, str]:
    if next(lines, "") != "tree":
        raise BadBooster("The LightGBM file does not begin with `tree`.")
    found: dict[str, str] = {}
    for line in lines:
        if not line:
            if "feature_infos" in found:
                return found
            continue
        key, _, value = line.partition("=")
        if key in found or key == "Tree" or len(found) > 40:
            raise BadBooster("The head of the LightGBM file is broken.")
        found[key] = value
    raise BadBooster("The LightGBM file ends in its head.")


def _blocks(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """The lines of each tree as a dictionary."""
    count = 0
    for line in lines:
        if line == "end of trees":
            return
        if not line:
            continue
        if line != f"Tree={count}" or count >= MAX_TREES:
            raise BadBooster(f"Where tree {count} belongs, LightGBM's file has others.")
        yield _block(lines)
        count += 1
    raise BadBooster("The LightGBM file is cut off: its trees do not end.")


def _block(lines: Iterator[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if not line:
            return found
        key, equals, value = line.partition("=")
        if not equals or key in found or len(found) >= _TREE_LINES:
            break
        found[key] = value
    raise BadBooster("A tree of the LightGBM file is broken or cut off.")


def _last_categories(data: bytes) -> list[list[Any]] | None:
    """Categories of pandas columns, which the Python package writes at the end."""
    start = data.rfind(b"\n" + _LAST)
    if start < 0:
        return None
    try:
        found = json.loads(data[start + 1 + len(_LAST) :])
    except (ValueError, RecursionError) as error:
        raise BadBooster("The LightGBM file has broken categories.") from error
    if found is None or (
        isinstance(found, list) and all(isinstance(one, list) for one in found)
    ):
        return found
    raise BadBooster("The LightGBM file has broken categories.")


class _Reader:
    def __init__(
        self, header: Mapping[str, str], categories: list[list[Any]] | None
    ) -> None:
        self._header = header
        self.width = _whole(header["max_feature_idx"], MAX_COLUMNS - 1) + 1
        self._classes = _whole(header["num_class"], MAX_OUTPUTS)
        self._outputs = _whole(
            header.get("num_tree_per_iteration", header["num_class"]), MAX_OUTPUTS
        )
        self._names = header["feature_names"].split(" ")
        self._infos = header["feature_infos"].split(" ")
        if not len(self._names) == len(self._infos) == self.width:
            raise BadBooster("The LightGBM file names another number of columns.")
        if not all(name.isprintable() and name for name in self._names):
            raise BadBooster("The LightGBM file has a column without a proper name.")
        if self.width < 1 or self._classes != self._outputs or self._outputs < 1:
            raise BadBooster("The LightGBM file has another number of outputs.")
        self._words = header.get("objective", "custom").split(" ")
        self._categories = categories
        self._notes: list[str] = []

    def boosted(self, trees: list[LightgbmTree]) -> Boosted:
        objective = self._words[0]
        if objective not in VALUES and objective not in _CLASSIFIERS:
            raise UnservedBooster(f"The objective {objective!r} is not served.")
        if len(trees) % self._outputs:
            raise BadBooster("The LightGBM file lacks trees of its last round.")
        self._check_objective()
        columns, codes = self._columns()
        is_mean = "average_output" in self._header
        rounds = len(trees) // self._outputs
        return Boosted(
            library="lightgbm",
            data=self._written(trees, is_mean=is_mean),
            names=self._names,
            columns=columns,
            codes=codes,
            form=self._form(),
            outputs=self._outputs,
            objective=" ".join(self._words),
            trees=[
                (tree.boosted(), place % self._outputs)
                for place, tree in enumerate(trees)
            ],
            base=[0.0] * self._outputs,
            divisor=float(max(1, rounds)) if is_mean else 1.0,
            notes=self._notes,
        )

    def _form(self) -> Form:
        if self._words[0] == "binary":
            return "binary"
        if self._words[0] in _CLASSIFIERS:
            return "multiclass"
        return "value" if self._outputs == 1 else "values"

    def _check_objective(self) -> None:
        parameters = dict(word.split(":") for word in self._words[1:] if ":" in word)
        sigmoid = _float(parameters.get("sigmoid", "1"))
        if not all(re.fullmatch(r"[A-Za-z0-9_.:+-]*", one) for one in self._words):
            raise BadBooster("The LightGBM file has a broken objective.")
        if not (math.isfinite(sigmoid) and sigmoid > 0):
            raise BadBooster("The LightGBM file has a broken sigmoid.")
        # The classes are counted twice; the wrong one would be read past its end.
        is_several = self._words[0] in ("multiclass", "multiclassova")
        counted = parameters.get("num_class", str(self._classes))
        if is_several and (_whole(counted, MAX_OUTPUTS) != self._classes):
            raise BadBooster("The LightGBM file has two numbers of classes.")
        if is_several and ("num_class" not in parameters or self._classes < 2):
            raise BadBooster("The LightGBM classifier has less than two classes.")
        is_single = self._words[0] in VALUES or self._words[0] == "binary"
        if is_single and self._words[0] != "custom" and self._classes != 1:
            raise BadBooster("The LightGBM file has another number of classes.")

    def _columns(self) -> tuple[list[Known], dict[int, dict[Scalar, int]]]:
        columns = [_known(info) for info in self._infos]
        places = [n for n, info in enumerate(self._infos) if _is_categorical(info)]
        given = self._categories or []
        if not given:
            return columns, {}
        if len(given) != len(places):
            self._notes.append(
                "Some columns of categories were of no use in training, so the file "
                "does not tell which is which: give their codes instead of their names."
            )
            return columns, {}
        codes: dict[int, dict[Scalar, int]] = {}
        for place, names in zip(places, given, strict=True):
            kind = _type_of(names)
            if kind is None:
                self._notes.append(
                    f"The categories of {self._names[place]!r} are neither text nor "
                    "whole numbers: give their codes."
                )
                continue
            codes[place] = {name: code for code, name in enumerate(names)}
            shown = names if len(names) <= MAX_VALUES else None
            columns[place] = Known(type=kind, values=shown)
        return columns, codes

    def _written(self, trees: list[LightgbmTree], *, is_mean: bool) -> bytes:
        head = {
            "version": "v4",
            "num_class": str(self._classes),
            "num_tree_per_iteration": str(self._outputs),
            "label_index": "0",
            "max_feature_idx": str(self.width - 1),
        }
        if "objective" in self._header:
            head["objective"] = " ".join(self._words)
        lines = ["tree", *(f"{key}={value}" for key, value in head.items())]
        lines += ["average_output"] if is_mean else []
        lines.append("feature_names=" + " ".join(self._names))
        lines.append("feature_infos=" + " ".join(["none"] * self.width))
        lines.append("")
        for place, tree in enumerate(trees):
            lines += [f"Tree={place}", *tree.written(), "", ""]
        lines += ["end of trees", "", "feature_importances:", ""]
        lines += ["parameters:", "end of parameters", "", "pandas_categorical:null", ""]
        return "\n".join(lines).encode()


def _is_categorical(info: str) -> bool:
    return info != "none" and not info.startswith("[")


def _known(info: str) -> Known:
    """What a column's `feature_infos` says: a range, or its categories."""
    if info == "none":
        return Known()
    if not _is_categorical(info):
        low, _, high = info[1:-1].partition(":")
        span = (_float(low), _float(high))
        is_span = info.endswith("]") and all(math.isfinite(one) for one in span)
        return Known(range=span if is_span else None)
    codes = sorted(_whole(one, 2**31 - 1) for one in info.split(":"))
    values: list[Scalar] = list(codes)
    return Known(type="integer", values=values if len(codes) <= MAX_VALUES else None)


def _type_of(names: list[Any]) -> Any:
    if names and all(isinstance(one, str) for one in names):
        return "text"
    is_whole = names and all(type(one) is int for one in names)
    return "integer" if is_whole else None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadBooster(
            "The LightGBM file has text where a number belongs."
        ) from error


def _whole(text: str, limit: int) -> int:
    if not _WHOLE.match(text) or int(text) > limit:
        raise BadBooster(f"The LightGBM file has {text[:40]!r} where a count belongs.")
    return int(text)
