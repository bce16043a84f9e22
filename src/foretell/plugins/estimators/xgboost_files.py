"""Reads XGBoost's own files, JSON and UBJSON, and writes them again checked.

Only what prediction needs is kept. Nodes that pruning left behind go, and what is
left is numbered anew, so every index in the new file is right by construction.

Source:
    `LoadModel` of learner.cc, gbtree_model.cc, gblinear_model.cc and tree_model.cc
    in XGBoost 3.2, where the fields and their types are read.
"""

import itertools
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from foretell.models.signature import Scalar
from foretell.plugins.estimators import ubjson
from foretell.plugins.estimators.boosted import (
    MAX_COLUMNS,
    MAX_OUTPUTS,
    MAX_TREES,
    BadBooster,
    Boosted,
    BoostedTree,
    Form,
    UnservedBooster,
)
from foretell.plugins.estimators.columns import Known
from foretell.plugins.estimators.xgboost_trees import XgboostTree, read_tree

LINKS = {
    "binary:hinge": "identity",
    "binary:logistic": "sigmoid",
    "binary:logitraw": "identity",
    "count:poisson": "exp",
    "multi:softmax": "softmax",
    "multi:softprob": "softmax",
    "rank:map": "identity",
    "rank:ndcg": "identity",
    "rank:pairwise": "identity",
    "reg:absoluteerror": "identity",
    "reg:gamma": "exp",
    "reg:linear": "identity",
    "reg:logistic": "logistic",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "reg:squarederror": "identity",
    "reg:squaredlogerror": "identity",
    "reg:tweedie": "exp",
    "survival:aft": "exp",
    "survival:cox": "exp",
}
_TYPES = {"int": "integer", "i": "boolean", "float": "float", "q": "float"}
_WHOLE = re.compile(r"[0-9]{1,10}\Z")


def is_xgboost(head: bytes) -> bool:
    """True for the first bytes of a JSON or UBJSON file of XGBoost."""
    if re.match(rb"\{L\x00{7}[\x05-\x07](learner|version|Config|Model)", head):
        return True
    start = rb'\s*\{\s*"(learner"\s*:\s*\{|version"\s*:\s*\[\s*[0-9])'
    return re.match(start, head) is not None


def read_xgboost(data: bytes, *, is_wrapped: bool = False) -> Boosted:
    """Check a file of XGBoost.

    Args:
        is_wrapped: It comes out of a pickled wrapper for scikit-learn, which
            answers with the best round where training was stopped early.

    Raises:
        BadBooster: It is cut off, or something in it points nowhere.
        UnservedBooster: It is sound, and of a kind that is not served here.
    """
    document = _document(data)
    try:
        return _Reader(document, is_wrapped=is_wrapped).boosted()
    except (BadBooster, UnservedBooster):
        raise
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise BadBooster("The XGBoost file lacks a part or has it wrong.") from error


def _document(data: bytes) -> Any:
    if data[:2] == b"{L":
        try:
            # A pickle holds the model beside the settings of its training.
            inside = "Model" if re.match(rb"\{L\x00{7}.(Config|Model)", data) else None
            return ubjson.read(data, inside=inside)
        except ubjson.BadUbjson as error:
            raise BadBooster(f"The XGBoost UBJSON is broken. {error}") from error
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass  # XGBoost writes NaN into statistics, which is no JSON
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadBooster("The XGBoost JSON is broken or cut off.") from error


class _Reader:
    def __init__(self, document: Any, *, is_wrapped: bool) -> None:
        self._learner = _object(document, "learner")
        self._version = _versions(document.get("version"))
        settings = _object(self._learner, "learner_model_param")
        self._width = _whole(settings["num_feature"], MAX_COLUMNS, "columns")
        self._classes = _whole(settings.get("num_class", "0"), MAX_OUTPUTS, "classes")
        targets = _whole(settings.get("num_target", "1"), MAX_OUTPUTS, "targets")
        self._targets = max(1, targets)
        if not self._width:
            raise BadBooster("The XGBoost model has no columns.")
        if self._classes > 1 and self._targets > 1:
            raise BadBooster("The XGBoost model has classes and targets at once.")
        self._outputs = max(1, self._classes, self._targets)
        self._scores = self._base_scores(settings["base_score"])
        self._average = _whole(settings.get("boost_from_average", "1"), 1, "settings")
        self._objective = _name(_object(self._learner, "objective"))
        booster = _object(self._learner, "gradient_booster")
        self._kind = _name(booster)
        self._booster = booster["gbtree"] if self._kind == "dart" else booster
        attributes = self._learner.get("attributes") or {}
        self._attributes = {str(k): str(v) for k, v in attributes.items()}
        self._is_wrapped = is_wrapped or "scikit_learn" in self._attributes
        self._notes: list[str] = []

    def boosted(self) -> Boosted:
        if self._objective not in LINKS:
            raise UnservedBooster(
                f"The objective {self._objective!r} is not served; train with one of "
                f"{', '.join(sorted(LINKS))}."
            )
        if self._kind not in ("gbtree", "dart", "gblinear"):
            raise UnservedBooster(f"The booster {self._kind!r} is not served.")
        columns, codes = self._columns()
        model = _object(self._booster, "model")
        if self._kind == "gblinear":
            written, trees, rounds = self._linear(model), None, None
        else:
            written, trees, rounds = self._trees(model)
        if self._objective == "binary:logitraw":
            self._notes.append("binary:logitraw answers the raw score, not a class.")
        return Boosted(
            library="xgboost",
            data=ubjson.write(self._written(written)),
            names=_texts(self._learner.get("feature_names"), self._width),
            columns=columns,
            codes=codes,
            form=self._form(),
            outputs=self._outputs,
            objective=self._objective,
            trees=trees,
            base=self._margins(),
            rounds=rounds,
            saved=".".join(str(part) for part in self._version),
            notes=self._notes,
        )

    def _form(self) -> Form:
        if LINKS[self._objective] == "softmax":
            if self._classes < 2:
                raise BadBooster("The XGBoost classifier has less than two classes.")
            return "multiclass"
        if self._objective == "binary:hinge" and self._outputs == 1:
            return "labels"
        if self._objective == "binary:logistic":
            return "binary" if self._outputs == 1 else "multilabel"
        return "value" if self._outputs == 1 else "values"

    # -- settings ----------------------------------------------------------------

    def _base_scores(self, written: Any) -> list[float]:
        scores = _floats(written)
        if len(scores) == 1:
            scores *= self._outputs  # before 3.1 there was one for all outputs
        if len(scores) != self._outputs:
            raise BadBooster("The XGBoost model has another number of intercepts.")
        return scores

    def _margins(self) -> list[float]:
        """The intercepts as the trees' sums have them, rounded as XGBoost does."""
        scores = np.asarray(self._scores, dtype=np.float32)
        link = LINKS[self._objective]
        with np.errstate(all="ignore"):
            if link in ("sigmoid", "logistic"):
                scores = -np.log(np.float32(1) / scores - np.float32(1))
            elif link == "exp":
                scores = np.log(scores)
        return [float(one) for one in scores]

    def _columns(self) -> tuple[list[Known], dict[int, dict[Scalar, int]]]:
        kinds = _texts(self._learner.get("feature_types"), self._width)
        if kinds is None:
            return [Known() for _ in range(self._width)], {}
        columns = [Known(type=_TYPES.get(kind)) for kind in kinds]  # type: ignore[arg-type]
        model = self._booster.get("model") or {}
        known = categories_of(model.get("cats"), self._width)
        codes: dict[int, dict[Scalar, int]] = {}
        for place, kind in enumerate(kinds):
            if kind != "c":
                continue
            names = known.get(place)
            if names is None:
                columns[place] = Known(type="integer")
                continue
            codes[place] = {name: code for code, name in enumerate(names)}
            is_text = isinstance(names[0], str)
            columns[place] = Known(
                type="text" if is_text else "integer", values=names, closed=True
            )
        return columns, codes

    def _written(self, booster: Mapping[str, Any]) -> dict[str, Any]:
        kinds = _texts(self._learner.get("feature_types"), self._width)
        settings = {
            "base_score": "[" + ",".join(repr(one) for one in self._scores) + "]",
            "boost_from_average": str(self._average),
            "num_class": str(self._classes),
            "num_feature": str(self._width),
            "num_target": str(self._targets),
        }
        if self._version < (3, 1, 0) or self._outputs == 1:
            settings["base_score"] = repr(self._scores[0])
        return {
            "learner": {
                "attributes": {},
                "feature_names": [],
                "feature_types": kinds or [],
                "gradient_booster": booster,
                "learner_model_param": settings,
                "objective": self._objective_written(),
            },
            "version": list(self._version),
        }

    def _objective_written(self) -> dict[str, Any]:
        written: dict[str, Any] = {"name": self._objective}
        for name, values in _object(self._learner, "objective").items():
            if isinstance(values, dict):
                written[str(name)] = {str(k): str(v) for k, v in values.items()}
        # The classes are counted twice; the wrong one would be read past its end.
        if LINKS[self._objective] == "softmax":
            written["softmax_multiclass_param"] = {"num_class": str(self._classes)}
        if self._objective == "reg:quantileerror":
            alphas = _floats(written["quantile_loss_param"]["quantile_alpha"])
            if len(alphas) != self._outputs:
                raise BadBooster("The XGBoost model has another number of quantiles.")
        return written

    # -- boosters ----------------------------------------------------------------

    def _linear(self, model: Mapping[str, Any]) -> dict[str, Any]:
        weights = np.asarray(model["weights"], dtype=np.float32).ravel()
        if len(weights) != (self._width + 1) * self._outputs:
            raise BadBooster("The XGBoost model has another number of weights.")
        kept = {"boosted_rounds": 1, "weights": weights}
        return {"name": "gblinear", "model": kept}

    def _trees(
        self, model: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[tuple[BoostedTree, int]], int | None]:
        read = self._read_trees(model["trees"])
        info = [int(one) for one in model["tree_info"]]
        if len(info) != len(read) or not all(0 <= n < self._outputs for n in info):
            raise BadBooster("An XGBoost tree adds to an output that does not exist.")
        settings = _object(model, "gbtree_model_param")
        parallel = _whole(settings.get("num_parallel_tree", "1"), MAX_TREES, "trees")
        parallel = max(1, parallel)
        ends = self._rounds(model.get("iteration_indptr"), len(read), parallel)
        kept: dict[str, Any] = {
            "gbtree_model_param": {
                "num_trees": str(len(read)),
                "num_parallel_tree": str(parallel),
            },
            "iteration_indptr": ends,
            "tree_info": info,
            "trees": [tree.written(place) for place, tree in enumerate(read)],
        }
        written: dict[str, Any] = {"name": "gbtree", "model": kept}
        weights = np.ones(len(read), dtype=np.float32)
        if self._kind == "dart":
            weights = self._weights(len(read))
            written = {
                "name": "dart",
                "gbtree": written,
                "weight_drop": [float(one) for one in weights],
            }
        rounds = self._stopped(len(ends) - 1)
        used = len(read) if rounds is None else ends[rounds]
        pairs = zip(read, weights, info, strict=True)
        trees = [(tree.boosted(weight), output) for tree, weight, output in pairs]
        return written, trees[:used], rounds

    def _read_trees(self, trees: Any) -> list[XgboostTree]:
        if not isinstance(trees, list) or len(trees) > MAX_TREES:
            raise BadBooster("The XGBoost model has no list of trees, or too many.")
        by_id = {int(tree["id"]): tree for tree in trees}
        if sorted(by_id) != list(range(len(trees))):
            raise BadBooster("The XGBoost trees are not numbered one by one.")
        return [read_tree(by_id[place], self._width) for place in range(len(trees))]

    def _rounds(self, given: Any, count: int, parallel: int) -> list[int]:
        step = parallel * self._outputs
        if given is None:  # before 2.0 every round had the same number of trees
            ends = list(range(0, count + 1, step))
        else:
            ends = [int(one) for one in given]
        rising = all(a <= b for a, b in itertools.pairwise(ends))
        if not ends or ends[0] != 0 or ends[-1] != count or not rising:
            raise BadBooster("The XGBoost rounds do not add up to its trees.")
        return ends

    def _weights(self, count: int) -> npt.NDArray[np.float32]:
        given = _object(self._learner, "gradient_booster")["weight_drop"]
        weights = np.asarray(given, dtype=np.float32)
        if weights.shape != (count,) or not np.isfinite(weights).all():
            raise BadBooster("The XGBoost trees have another number of weights.")
        return weights

    def _stopped(self, rounds: int) -> int | None:
        """How many rounds answer where training was stopped early."""
        best = self._attributes.get("best_iteration", "")
        if not _WHOLE.match(best):
            return None
        if self._is_wrapped:
            return min(int(best) + 1, rounds)
        self._notes.append(
            f"The file notes {best} as its best round and holds {rounds}; all of them "
            "answer, as `Booster.predict` does. Save `booster[: best_iteration + 1]` "
            "to answer with the best one."
        )
        return None


def _object(holder: Any, name: str) -> dict[str, Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, dict):
        raise BadBooster(f"The XGBoost file has no {name!r}.")
    return found


def _name(holder: Mapping[str, Any]) -> str:
    found = holder.get("name")
    if not isinstance(found, str) or len(found) > 80:
        raise BadBooster("A part of the XGBoost file has no name.")
    return found


def _whole(text: Any, limit: int, what: str) -> int:
    if not isinstance(text, str) or not _WHOLE.match(text):
        raise BadBooster(f"The XGBoost file says no number of {what}.")
    if int(text) > limit:
        raise BadBooster(
            f"The XGBoost file says it has {text} {what}; at most {limit}."
        )
    return int(text)


def _floats(text: str) -> list[float]:
    """Numbers as XGBoost writes them: one alone, or a list in brackets."""
    try:
        found = json.loads(text) if text[:1] == "[" else [float(text)]
        numbers = [float(one) for one in found]
    except ValueError as error:
        raise BadBooster("The XGBoost file has text where a number belongs.") from error
    if not numbers or not all(math.isfinite(one) for one in numbers):
        raise BadBooster("The XGBoost file has a number that is not finite.")
    return numbers


def _versions(given: Any) -> tuple[int, int, int]:
    parts = [] if given is None else [int(one) for one in given]
    if len(parts) != 3 or not all(0 <= one < 1000 for one in parts):
        raise BadBooster("The XGBoost file does not say its version.")
    return parts[0], parts[1], parts[2]


def _texts(given: Any, count: int) -> list[str] | None:
    """A list of names, one a column; None for an empty one."""
    if given is None or len(given) == 0:
        return None
    if len(given) != count or not all(isinstance(one, str) for one in given):
        raise BadBooster("The XGBoost file names another number of columns.")
    return list(given)


def categories_of(cats: Any, width: int) -> dict[int, list[Scalar]]:
    """The categories of each column that has any, in the order of their codes."""
    encoders = cats.get("enc") if isinstance(cats, dict) else None
    if not encoders:
        return {}
    if len(encoders) != width:
        raise BadBooster("The XGBoost file has categories of other columns.")
    found = {place: _categories(one) for place, one in enumerate(encoders)}
    return {place: names for place, names in found.items() if names}


def _categories(encoder: Mapping[str, Any]) -> list[Scalar]:
    values = np.asarray(encoder.get("values", ()))
    if "offsets" not in encoder:
        if values.dtype.kind not in "iu" and values.size:
            raise UnservedBooster("Categories that are neither text nor whole numbers.")
        return list(values.tolist())
    ends = np.asarray(encoder["offsets"], dtype=np.int64)
    letters = (values.astype(np.int64) & 0xFF).astype(np.uint8).tobytes()
    if not len(ends):
        return []
    if ends[0] != 0 or ends[-1] != len(letters) or (np.diff(ends) < 0).any():
        raise BadBooster("The XGBoost file has broken categories.")
    try:
        return [
            letters[start:end].decode()
            for start, end in itertools.pairwise(ends.tolist())
        ]
    except UnicodeDecodeError as error:
        raise BadBooster("The XGBoost file has broken categories.") from error
