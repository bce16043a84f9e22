"""Damaged and hostile files of XGBoost and LightGBM are refused before a library reads.

The libraries follow indices and lengths without asking, so a file that got through
would end the process of this test.
"""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.errors import ForetellError
from foretell.models.errors import ModelRefused, ModelUnreadable
from foretell.plugins.estimators import ubjson
from foretell.plugins.estimators.boosted import BadBooster, UnservedBooster
from foretell.plugins.estimators.lightgbm_files import read_lightgbm
from foretell.plugins.estimators.xgboost_files import read_xgboost

from .boosters import EVERY, lightgbm_model, saved, xgboost_model
from .test_inspecting import Inspect

XGB = saved(xgboost_model("classes", objective="multi:softprob", num_class=3), "json")
UBJ = saved(xgboost_model("classes", objective="multi:softprob", num_class=3))
LGB = saved(lightgbm_model("binary", objective="binary")).decode()


@pytest.fixture
def inspect(tmp_path):
    return Inspect(tmp_path)


def tree_of(document, place=0):
    return document["learner"]["gradient_booster"]["model"]["trees"][place]


def change(path, value):
    """A change of one place of the document; `path` is keys from the outermost."""

    def apply(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return apply


LEARNER = ("learner", "learner_model_param")
MODEL = ("learner", "gradient_booster", "model")
TREE = (*MODEL, "trees", 0)
XGB_CHANGES = {
    "child beyond the end": change((*TREE, "left_children", 0), 10**6),
    "child before the start": change((*TREE, "left_children", 0), -7),
    "child beyond 64 bits": change((*TREE, "left_children", 0), 2**70),
    "a circle": change((*TREE, "left_children", 1), 0),
    "two parents": change((*TREE, "right_children", 0), 1),
    "one child": change((*TREE, "right_children", 0), -1),
    "column beyond the end": change((*TREE, "split_indices", 0), 10**6),
    "column below zero": change((*TREE, "split_indices", 0), -1),
    "no threshold": change((*TREE, "split_conditions", 0), None),
    "a threshold of text": change((*TREE, "split_conditions", 0), "1"),
    "shorter lists": change((*TREE, "split_conditions"), [1.0]),
    "no nodes": change((*TREE, "left_children"), []),
    "nested lists": change((*TREE, "left_children"), [[1, 2], [3, 4]]),
    "a tree twice": change((*TREE, "id"), 1),
    "a tree far away": change((*TREE, "id"), 2**31 - 1),
    "another output": change((*MODEL, "tree_info", 0), 99),
    "output below zero": change((*MODEL, "tree_info", 0), -1),
    "rounds beyond the trees": change((*MODEL, "iteration_indptr", -1), 10**6),
    "rounds that fall": change((*MODEL, "iteration_indptr", 1), 10**6),
    "a huge number of columns": change((*LEARNER, "num_feature"), "4294967295"),
    "no columns": change((*LEARNER, "num_feature"), "0"),
    "a huge number of classes": change((*LEARNER, "num_class"), "2147483647"),
    "less classes": change((*LEARNER, "num_class"), "2"),
    "classes and targets": change((*LEARNER, "num_target"), "3"),
    "classes of text": change((*LEARNER, "num_class"), "many"),
    "classes as a number": change((*LEARNER, "num_class"), 3),
    "an intercept of text": change((*LEARNER, "base_score"), "[x]"),
    "an intercept that is no number": change((*LEARNER, "base_score"), "[nan]"),
    "other intercepts": change((*LEARNER, "base_score"), "[0.1, 0.2]"),
    "trees as an object": change((*MODEL, "trees"), {}),
    "a tree as a number": change((*MODEL, "trees", 0), 7),
    "a version of text": change(("version",), "latest"),
    "a version of one": change(("version",), [3]),
    "an empty learner": change(("learner",), {}),
    "categories beyond the end": lambda document: tree_of(document).update(
        split_type=[1] * len(tree_of(document)["left_children"]),
        categories=[1],
        categories_nodes=[0],
        categories_segments=[0],
        categories_sizes=[2**40],
    ),
    "a category of 2^30": lambda document: tree_of(document).update(
        split_type=[1, *[0] * (len(tree_of(document)["left_children"]) - 1)],
        categories=[2**30],
        categories_nodes=[0],
        categories_segments=[0],
        categories_sizes=[1],
    ),
    "categories that are not there": lambda document: tree_of(document).update(
        split_type=[1] * len(tree_of(document)["left_children"]),
    ),
}


@pytest.mark.parametrize("case", XGB_CHANGES)
def test_a_damaged_file_of_xgboost_is_refused(case, inspect):
    document = json.loads(XGB)
    XGB_CHANGES[case](document)
    with pytest.raises(ModelRefused) as refusal:
        inspect(json.dumps(document).encode())
    safety = refusal.value.context["safety"]
    assert (safety["outcome"], safety["format"]) == ("hostile", "xgboost")
    assert safety["reasons"][0]["message"]


def test_a_missing_part_is_refused_whichever_it_is():
    def paths(value, path=()):
        if isinstance(value, dict):
            for key, item in value.items():
                yield (*path, key)
                yield from paths(item, (*path, key))

    document = json.loads(XGB)
    for path in list(paths(document["learner"])):
        changed = json.loads(XGB)
        holder = changed["learner"]
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]
        try:
            read_xgboost(json.dumps(changed).encode())
        except (BadBooster, UnservedBooster):
            continue  # else it is a part that prediction does not need


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(XGB[: len(XGB) // 2], id="half a file"),
        pytest.param(XGB[:-1], id="cut at the end"),
        pytest.param(b'{"learner":{"a":' + b"[" * 200_000, id="deep JSON"),
        pytest.param(b'{"learner":{' + b'"a":{' * 200_000, id="deep objects"),
        pytest.param(b'{"learner": {}, "version": [1, 2, 3]}', id="nothing"),
        pytest.param(b'{"learner": 1}', id="a number"),
        pytest.param(UBJ[: len(UBJ) // 2], id="half of UBJSON"),
        pytest.param(UBJ + b"Z", id="UBJSON with a tail"),
        pytest.param(
            b"{L" + struct.pack(">q", 7) + b"learner" + b"[" * 1000, id="deep"
        ),
        pytest.param(
            b"{L" + struct.pack(">q", 7) + b"learnerSL" + struct.pack(">q", 2**62),
            id="a text of 2^62 bytes",
        ),
        pytest.param(
            b"{L" + struct.pack(">q", 7) + b"learner[$L#L" + struct.pack(">q", 2**60),
            id="an array of 2^60 numbers",
        ),
        pytest.param(
            b"{L" + struct.pack(">q", 7) + b"learner[#L" + struct.pack(">q", 2**60),
            id="a list of 2^60 values",
        ),
        pytest.param(
            b"{L" + struct.pack(">q", 7) + b"learnerSL" + struct.pack(">q", -1),
            id="a text of less than nothing",
        ),
    ],
)
def test_a_broken_file_of_xgboost_is_refused(data, inspect):
    with pytest.raises((ModelRefused, ModelUnreadable)):
        inspect(data)


def replaced(old, new):
    assert old in LGB
    return LGB.replace(old, new, 1)


def line(key, value):
    """LightGBM's file with another value in the first line of this key."""
    start = LGB.index(f"\n{key}=") + 1
    end = LGB.index("\n", start)
    return LGB[:start] + f"{key}={value}" + LGB[end:]


LGB_CHANGES = {
    "half a file": LGB[: len(LGB) // 2],
    "cut in a tree": LGB[: LGB.index("leaf_value=") + 12],
    "cut in the head": LGB[: LGB.index("feature_infos")],
    "no end of trees": replaced("end of trees", "end of tree"),
    "child beyond the end": line("left_child", " ".join(["99999"] * 9)),
    "children that loop": line("left_child", " ".join(["0"] * 9)),
    "leaf beyond the end": line("right_child", " ".join(["-99999"] * 9)),
    "more leaves": line("num_leaves", "2000000"),
    "leaves below zero": line("num_leaves", "-1"),
    "leaves of 2^40": line("num_leaves", str(2**40)),
    "more columns": line("max_feature_idx", "3000000"),
    "columns below zero": line("max_feature_idx", "-2"),
    "column beyond the end": line("split_feature", " ".join(["77"] * 9)),
    "classes": line("num_class", "1000000000"),
    "outputs": line("num_tree_per_iteration", "7"),
    "no outputs": line("num_tree_per_iteration", "0"),
    "another order": replaced("Tree=0", "Tree=1"),
    "a value of text": line("leaf_value", "one two"),
    "values that are no number": line("leaf_value", " ".join(["nan"] * 10)),
    "a bad sigmoid": replaced("sigmoid:1", "sigmoid:0"),
    "classes in the objective": replaced("binary sigmoid:1", "multiclass num_class:9"),
    "categories that are not there": line("decision_type", " ".join(["1"] * 9)),
    "an unknown decision": line("decision_type", " ".join(["99"] * 9)),
    "a line without an end": "tree\nversion=v4\n" + "a" * 1_000_000,
    "no `=`": replaced("num_leaves=", "num_leaves"),
    "a key twice": replaced("num_cat=0", "num_cat=0\nnum_cat=0"),
    "many lines": replaced("num_cat=0", "\n".join(f"k{n}=1" for n in range(50))),
    "a NUL": replaced("feature_names=", "feature_names=\0"),
    "broken categories": LGB.replace("pandas_categorical:null", "pandas_categorical:{"),
    "deep categories": LGB.replace(
        "pandas_categorical:null", "pandas_categorical:" + "[" * 100_000
    ),
}


@pytest.mark.parametrize("case", LGB_CHANGES)
def test_a_damaged_file_of_lightgbm_is_refused(case, inspect):
    with pytest.raises(ModelRefused) as refusal:
        inspect(LGB_CHANGES[case].encode())
    safety = refusal.value.context["safety"]
    assert (safety["outcome"], safety["format"]) == ("hostile", "lightgbm")


def test_a_parser_in_the_file_is_not_handed_on():
    """LightGBM would keep what stands there; the checked file has none of it."""
    evil = replaced(
        "pandas_categorical",
        "parser:\n/etc/passwd\nend of parser\n\npandas_categorical",
    )
    assert b"passwd" not in read_lightgbm(evil.encode()).data
    assert b"parser" not in read_lightgbm(evil.encode()).data


def test_what_is_checked_is_what_is_written():
    for case in ("xgb classes", "xgb dart", "xgb linear", "xgb quantiles"):
        once = read_xgboost(saved(EVERY[case]()))
        again = read_xgboost(once.data)
        assert (again.data, again.form) == (once.data, once.form)
    for case in ("lgb classes", "lgb forest", "lgb linear leaves"):
        once = read_lightgbm(saved(EVERY[case]()))
        assert read_lightgbm(once.data).data == once.data


@settings(max_examples=150, deadline=None)
@given(place=st.integers(min_value=0), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(place, value):
    for data, read in ((UBJ, read_xgboost), (XGB, read_xgboost), (LGB, read_lightgbm)):
        changed = bytearray(data if isinstance(data, bytes) else data.encode())
        changed[place % len(changed)] = value
        try:
            read(bytes(changed))
        except (BadBooster, UnservedBooster):
            continue


@settings(max_examples=40, deadline=None)
@given(place=st.integers(min_value=0), value=st.integers(0, 255))
def test_a_changed_byte_never_ends_the_process(place, value, tmp_path_factory):
    """What is read is loaded and asked too, by the library itself."""
    folder = tmp_path_factory.mktemp("changed")
    for data in (UBJ, LGB.encode()):
        changed = bytearray(data)
        changed[place % len(changed)] = value
        inner = folder / str(len(data))
        inner.mkdir()
        try:
            Inspect(inner)(bytes(changed), engine="native")
        except ForetellError:
            continue


@given(
    value=st.recursive(
        st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=9)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.text(max_size=5), inner, max_size=4),
        ),
        max_leaves=12,
    )
)
def test_ubjson_reads_what_it_writes(value):
    assert ubjson.read(ubjson.write(value)) == value
