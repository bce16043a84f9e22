"""skops files: held against the same list as pickles, then loaded by skops."""

import io
import json
import zipfile

import numpy as np
import pytest
import skops.io as sio
import xgboost as xgb
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from foretell.models.errors import ModelRefused, ModelUnusable
from foretell.models.gate.skops import scan_skops

from .custom import Threshold
from .test_inspecting import BUYS, FRAME, Inspect, X, mixed, rows, y

MODELS = {
    "logistic": lambda: LogisticRegression(max_iter=2000).fit(X, y),
    "tree": lambda: DecisionTreeClassifier().fit(X, y),
    "forest": lambda: RandomForestClassifier(5).fit(X, y),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3).fit(X, y),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=3).fit(X, y),
    "machine": lambda: SVC().fit(X, y),
    "neighbours": lambda: KNeighborsClassifier().fit(X, y),
    "bayes": lambda: GaussianNB().fit(X, y),
    "descent": lambda: SGDClassifier(random_state=np.random.RandomState(3)).fit(X, y),
    "texts": lambda: LogisticRegression(max_iter=2000).fit(
        X, np.array(["a", "b", "c"])[y]
    ),
}


@pytest.fixture
def inspect(tmp_path):
    return Inspect(tmp_path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("case", MODELS)
def test_a_skops_file_is_served(case, compression, inspect):
    model = MODELS[case]()
    result = inspect(sio.dumps(model, compression=compression))
    assert (result.flavour, result.safety.format) == ("sklearn", "skops")
    assert result.safety.outcome == "gated"
    assert result.libraries["scikit-learn"].saved == "1.9.1"
    assert result.libraries["skops"].saved
    outputs = inspect.predictor(result).predict(rows(X))
    assert outputs.predictions.tolist() == model.predict(X).tolist()


def test_a_pipeline_of_numbers_and_text_is_served(inspect):
    model = mixed(RandomForestClassifier(5))
    result = inspect(sio.dumps(model), pickle="forbid")  # it is no pickle
    assert result.signature.names == ("age", "income", "city")
    predictor = inspect.predictor(result)
    batch = {name: FRAME[name].tolist() for name in FRAME}
    assert (
        predictor.predict(batch).predictions.tolist() == model.predict(FRAME).tolist()
    )
    assert set(BUYS) == {"no", "yes"}


def test_a_class_of_ones_own_is_named_with_the_way_out(inspect):
    data = sio.dumps(Threshold(5.0).fit(X, y))
    with pytest.raises(ModelRefused, match="PICKLE_ALLOW=tests") as refusal:
        inspect(data)
    assert refusal.value.context["safety"]["outcome"] == "unknown"
    assert inspect(data, allow=["tests.models.custom"]).safety.outcome == "gated"
    assert inspect(data, trust=True).safety.outcome == "unknown"


def test_a_booster_is_sent_to_its_own_file(inspect):
    model = xgb.XGBClassifier(n_estimators=3).fit(X, y)
    with pytest.raises(ModelRefused, match="save_model"):
        inspect(sio.dumps(model))


def test_without_skops_the_extra_is_named(inspect, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(ModelUnusable, match=r"foretell\[skops\]"):
        inspect(sio.dumps(MODELS["logistic"]()))


# Hostile files: made from an honest one, with one thing exchanged.


def exchanged(change, model="logistic", add=()):
    """A skops file whose schema `change` has been at."""
    out = io.BytesIO()
    honest = io.BytesIO(sio.dumps(MODELS[model]()))
    with zipfile.ZipFile(honest) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name != "schema.json":
                new.writestr(name, old.read(name))
        for name, data in add:
            new.writestr(name, data)
        schema = json.loads(old.read("schema.json"))
        new.writestr("schema.json", json.dumps(change(schema) or schema))
    return out.getvalue()


def node(loader, module, name, **more):
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def whole(value):
    return node("JsonNode", "builtins", "str", content=json.dumps(value))


def listed(*items, kind="tuple"):
    loader = "TupleNode" if kind == "tuple" else "ListNode"
    return node(loader, "builtins", kind, content=list(items))


def mapping(**items):
    texts = [node("TypeNode", "builtins", "str") for _ in items]
    kinds = listed(*texts, kind="list")
    return node("DictNode", "builtins", "dict", key_types=kinds, content=items)


def attribute(value):
    """An honest model with one more attribute."""

    def change(schema):
        held = schema["content"]
        held["content"]["extra_"] = value
        held["key_types"]["content"].append(node("TypeNode", "builtins", "str"))

    return change


def instead(value):
    return lambda schema: {**value, "protocol": 2, "_skops_version": "0.16"}


SHELL = whole("touch /tmp/foretell-skops-marker")
HOSTILE = {
    "a function of os": attribute(node("FunctionNode", "os", "system")),
    "a function of posix": attribute(node("FunctionNode", "posix", "system")),
    "eval": attribute(node("FunctionNode", "builtins", "eval")),
    "a type that is called": attribute(
        node("ConstructorFromReduceNode", "os", "system", content=listed(SHELL))
    ),
    "a loss that is called": attribute(
        node(
            "LossNode",
            "subprocess",
            "Popen",
            __reduce__={"args": listed(SHELL)},
            content=mapping(),
        )
    ),
    "a partial of system": attribute(
        node(
            "PartialNode",
            "functools",
            "partial",
            content={
                "func": node("FunctionNode", "os", "system"),
                "args": listed(SHELL),
                "kwds": mapping(),
                "namespace": mapping(),
            },
        )
    ),
    "a method": attribute(
        node(
            "MethodNode",
            "sklearn.linear_model._logistic",
            "LogisticRegression",
            content={"func": "fit", "obj": mapping()},
        )
    ),
    "an operator": attribute(
        node("OperatorFuncNode", "operator", "methodcaller", attrs=listed(SHELL))
    ),
    "a key made by a function": attribute(
        node(
            "DictNode",
            "builtins",
            "dict",
            key_types=listed(node("TypeNode", "os", "system"), kind="list"),
            content={"touch /tmp/foretell-skops-marker": whole(1)},
        )
    ),
    "a dictionary of another class": attribute(
        node(
            "DictNode",
            "subprocess",
            "Popen",
            key_types=listed(kind="list"),
            content={},
        )
    ),
    "a list of another class": attribute(
        node("ListNode", "os", "system", content=[SHELL])
    ),
    "a tuple of another class": attribute(
        node("TupleNode", "os", "system", content=[SHELL])
    ),
    "an object of subprocess": attribute(
        node("ObjectNode", "subprocess", "Popen", content=mapping(args=SHELL))
    ),
    "an object of a compiled random state": attribute(
        node("RandomStateNode", "os", "system", content=mapping())
    ),
    "a generator of another kind": attribute(
        node(
            "RandomGeneratorNode",
            "numpy.random._generator",
            "Generator",
            content={
                "bit_generator": mapping(bit_generator=whole("RandomState")),
                "seed_seq": mapping(),
            },
        )
    ),
    "a generator with a large pool": attribute(
        node(
            "RandomGeneratorNode",
            "numpy.random._generator",
            "Generator",
            content={
                "bit_generator": mapping(bit_generator=whole("PCG64")),
                "seed_seq": mapping(pool_size=whole(2**31)),
            },
        )
    ),
    "a scalar of another class": attribute(
        node("NdArrayNode", "os", "system", type="numpy", file="1.npy")
    ),
    "keys that make themselves": attribute(
        node(
            "DefaultDictNode",
            "collections",
            "defaultdict",
            content={
                "main": mapping(),
                "default_factory": node("TypeNode", "os", "getcwd"),
            },
        )
    ),
    "a dunder": lambda schema: schema["content"]["content"].update(__class__=whole(1)),
    "an unknown loader": attribute(node("CommandNode", "os", "system")),
    "protocol 0": lambda schema: {**schema, "protocol": 0},
    "protocol 99": lambda schema: {**schema, "protocol": 99},
    "an object that holds itself": lambda schema: schema["content"]["content"].update(
        extra_={**schema["content"], "content": {}}
    ),
    "a tree with forged sizes": instead(
        node(
            "TreeNode",
            "sklearn.tree._tree",
            "Tree",
            content=mapping(),
            __reduce__={"args": listed(whole(3), whole(1), whole(2**30))},
        )
    ),
    "deep": attribute(
        json.loads('{"a":' * 400 + "1" + "}" * 400)
        | node("ListNode", "builtins", "list", content=[])
    ),
    "no type": attribute({"__loader__": "ListNode"}),
    "a number for a node": attribute(7),
}


@pytest.mark.parametrize("case", [name for name in HOSTILE if name != "deep"])
def test_a_hostile_skops_file_is_refused_and_does_nothing(case, inspect, tmp_path):
    data = exchanged(HOSTILE[case])
    with pytest.raises(ModelRefused) as refusal:
        inspect(data)
    assert refusal.value.context["safety"]["reasons"]
    with pytest.raises(ModelRefused):
        inspect(data, allow=["os", "subprocess", "posix"])
    from pathlib import Path

    assert not Path("/tmp/foretell-skops-marker").exists()  # noqa: S108


def judged(data, folder):
    path = folder / "artifact"
    path.write_bytes(data)
    return scan_skops(path).verdict


def npy(header, data=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


ARRAYS = {
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"x"),
    "more than there is": npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}"
    ),
    "less than nothing": npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"
    ),
    "a call": npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}"),
    "another format": b"PK\x03\x04",
    "nothing": b"",
    "a pickle": b"\x80\x04cos\nsystem\n.",
}


@pytest.mark.parametrize("case", ARRAYS)
def test_a_hostile_array_is_refused(case, tmp_path):
    array = node("NdArrayNode", "numpy", "ndarray", type="numpy", file="9.npy")
    data = exchanged(attribute(array), add=[("9.npy", ARRAYS[case])])
    assert judged(data, tmp_path).outcome == "hostile"


def test_a_member_that_is_missing_is_refused(tmp_path):
    array = node("NdArrayNode", "numpy", "ndarray", type="numpy", file="../../x.npy")
    assert judged(exchanged(attribute(array)), tmp_path).outcome == "hostile"


def test_a_cut_file_is_refused(tmp_path):
    data = sio.dumps(MODELS["forest"]())
    for end in (100, len(data) // 2, len(data) - 1):
        assert judged(data[:end], tmp_path).outcome == "hostile"


def test_a_bomb_is_refused_by_its_own_words(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.npy", bytes(300_000_000))
        archive.writestr("schema.json", "{}")
    verdict = judged(out.getvalue(), tmp_path)
    assert "unpacks to" in verdict.reasons[0].message


def test_an_id_stands_for_what_was_met_first(tmp_path):
    """skops gives back the first object of an id, whatever the second one says."""
    dangerous = {**node("FunctionNode", "os", "system"), "__id__": 777_000_001}
    harmless = {**whole(1), "__id__": 777_000_001}

    def change(schema):
        attribute(listed(dangerous, harmless, kind="list"))(schema)

    assert judged(exchanged(change), tmp_path).outcome == "hostile"

    def keys(schema):
        kinds = listed({**whole(1), "__id__": 777_000_002}, kind="list")
        held = mapping()
        held["key_types"] = kinds
        held["content"] = {"x": whole(1)}
        attribute(listed(held, kind="list"))(schema)

    assert judged(exchanged(keys), tmp_path).outcome == "hostile"
