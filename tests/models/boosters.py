"""Boosters to try serving with: every objective that is served, fitted on toy data."""

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb

RANDOM = np.random.default_rng(17)
ROWS = RANDOM.normal(0, 2, (300, 4))
ROWS[:, 3] = RANDOM.integers(0, 5, 300)
ROWS[RANDOM.random(ROWS.shape) < 0.08] = np.nan
SUM = np.nan_to_num(ROWS).sum(axis=1)
LABELS = np.digitize(SUM, [-1, 3])
POSITIVE = np.exp(SUM / 4)
QUIET = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "seed": 3}

# What an objective is fitted to.
TARGETS: dict[str, Any] = {
    "binary": (LABELS > 0).astype(int),
    "chance": 1 / (1 + np.exp(-SUM)),
    "classes": LABELS,
    "positive": POSITIVE,
    "value": SUM * 100,
    "count": np.round(POSITIVE),
    "several": np.column_stack([SUM, -SUM / 2]),
    "labels": np.column_stack([LABELS > 0, LABELS > 1]).astype(int),
}


def xgboost_model(target: str, rounds: int = 12, **options: Any) -> Any:
    data = xgb.DMatrix(ROWS, TARGETS[target])
    if options.get("objective", "").startswith("rank:"):
        data.set_group([10] * 30)
    if options.get("objective") == "survival:aft":
        data.set_float_info("label_lower_bound", POSITIVE)
        data.set_float_info("label_upper_bound", POSITIVE)
    depth = {} if options.get("booster") == "gblinear" else {"max_depth": 4}
    return xgb.train({**depth, "nthread": 1, "seed": 3, **options}, data, rounds)


def lightgbm_model(target: str, rounds: int = 12, **options: Any) -> Any:
    data = lgb.Dataset(ROWS, TARGETS[target])
    if options.get("objective") in ("lambdarank", "rank_xendcg"):
        data.set_group([10] * 30)
    return lgb.train({**QUIET, **options}, data, rounds)


def _xgb(target: str, objective: str, **options: Any) -> Callable[[], Any]:
    return lambda: xgboost_model(target, objective=objective, **options)


def _lgb(target: str, objective: str, **options: Any) -> Callable[[], Any]:
    return lambda: lightgbm_model(target, objective=objective, **options)


# Served by a graph of ours, as the comment above `LIBRARY` says of the others.
GRAPHS: dict[str, Callable[[], Any]] = {
    "xgb binary": _xgb("binary", "binary:logistic"),
    "xgb base score": _xgb("binary", "binary:logistic", base_score=0.9),
    "xgb raw": _xgb("binary", "binary:logitraw"),
    "xgb chance": _xgb("chance", "reg:logistic"),
    "xgb classes": _xgb("classes", "multi:softprob", num_class=3),
    "xgb labels of classes": _xgb("classes", "multi:softmax", num_class=3),
    "xgb value": _xgb("value", "reg:squarederror"),
    "xgb many rounds": _xgb("value", "reg:squarederror", rounds=300),
    "xgb absolute": _xgb("value", "reg:absoluteerror"),
    "xgb huber": _xgb("value", "reg:pseudohubererror"),
    "xgb count": _xgb("count", "count:poisson"),
    "xgb gamma": _xgb("positive", "reg:gamma"),
    "xgb tweedie": _xgb("positive", "reg:tweedie"),
    "xgb quantiles": _xgb("value", "reg:quantileerror", quantile_alpha=[0.1, 0.9]),
    "xgb several": _xgb("several", "reg:squarederror"),
    "xgb rank": _xgb("classes", "rank:ndcg"),
    "xgb survival": _xgb("positive", "survival:cox"),
    "xgb lifetime": _xgb("positive", "survival:aft"),
    "xgb forest": _xgb(
        "classes", "multi:softprob", num_class=3, num_parallel_tree=3, subsample=0.7
    ),
    "xgb dart": _xgb("binary", "binary:logistic", booster="dart", rate_drop=0.3),
    "xgb leafwise": _xgb(
        "value", "reg:squarederror", grow_policy="lossguide", max_leaves=31
    ),
    "lgb binary": _lgb("binary", "binary"),
    "lgb sigmoid": _lgb("binary", "binary", sigmoid=2.5),
    "lgb classes": _lgb("classes", "multiclass", num_class=3),
    "lgb one against all": _lgb("classes", "multiclassova", num_class=3),
    "lgb value": _lgb("value", "regression"),
    "lgb root": _lgb("value", "regression", reg_sqrt=True),
    "lgb absolute": _lgb("value", "regression_l1"),
    "lgb huber": _lgb("value", "huber"),
    "lgb quantile": _lgb("value", "quantile", alpha=0.9),
    "lgb count": _lgb("count", "poisson"),
    "lgb gamma": _lgb("positive", "gamma"),
    "lgb tweedie": _lgb("positive", "tweedie"),
    "lgb chance": _lgb("chance", "cross_entropy"),
    "lgb odds": _lgb("chance", "cross_entropy_lambda"),
    "lgb rank": _lgb("classes", "lambdarank"),
    "lgb forest": _lgb(
        "value",
        "regression",
        boosting="rf",
        bagging_freq=1,
        bagging_fraction=0.6,
        feature_fraction=0.7,
    ),
    "lgb dart": _lgb("binary", "binary", boosting="dart"),
    "lgb no missing": _lgb("value", "regression", use_missing=False),
    "lgb one leaf": _lgb("value", "regression", min_data_in_leaf=400),
}
# What one comparison with one number does not say: the library answers.
LIBRARY: dict[str, Callable[[], Any]] = {
    "xgb hinge": _xgb("binary", "binary:hinge"),
    "xgb labels": _xgb("labels", "binary:logistic"),
    "xgb linear": _xgb("value", "reg:squarederror", booster="gblinear"),
    "lgb linear leaves": _lgb("value", "regression", linear_tree=True),
    "lgb zeros missing": _lgb("value", "regression", zero_as_missing=True),
}
EVERY = {**GRAPHS, **LIBRARY}


def saved(model: Any, form: str = "ubj") -> bytes:
    """The bytes of a model's own file."""
    if isinstance(model, xgb.Booster):
        return bytes(model.save_raw(form))
    return str(model.model_to_string()).encode()


def scores(model: Any, rows: Any) -> Any:
    """What the library itself says of rows, before any answer is made of it."""
    if isinstance(model, xgb.Booster):
        # as our predictor: softmax tells only the label
        return model.predict(xgb.DMatrix(rows, nthread=1))
    return model.predict(rows, num_threads=1)
