"""A graph is served only if it is closed in itself and its trees are trees."""

import warnings

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from foretell.plugins.engines.onnx_graphs import BadGraph, check_graph, is_inline_safe

X, y = load_iris(return_X_y=True)
SAMPLE = X[:1].astype(np.float32)


def forest():
    model = RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, y)
    return to_onnx(model, SAMPLE, options={"zipmap": False})


def trees_of(graph):
    return next(n for n in graph.graph.node if n.op_type.startswith("TreeEnsemble"))


def change(node, name, index, value):
    attribute = next(one for one in node.attribute if one.name == name)
    attribute.ints[index] = value


def single(operator, domain="", **attributes):
    node = helper.make_node(operator, ["x"], ["y"], domain=domain, **attributes)
    tensors = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 2]) for n in "xy"
    ]
    graph = helper.make_graph([node], "g", tensors[:1], tensors[1:])
    imports = [helper.make_opsetid(domain, 1), helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=imports)


def test_a_sound_forest_passes_and_may_run_inline():
    graph = forest()
    check_graph(graph)
    assert is_inline_safe(graph, {"X": 4})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nodes_truenodeids", 9_999),
        ("nodes_falsenodeids", -1),
        ("nodes_truenodeids", 0),
        ("class_nodeids", 9_999),
        ("class_ids", 7),
        ("nodes_treeids", 2),
    ],
)
def test_a_tree_that_points_outside_itself_is_refused(name, value):
    graph = forest()
    change(trees_of(graph), name, 0, value)
    with pytest.raises(BadGraph):
        check_graph(graph)


def test_lists_of_different_lengths_are_refused():
    graph = forest()
    values = next(a for a in trees_of(graph).attribute if a.name == "nodes_values")
    del values.floats[-1]
    with pytest.raises(BadGraph, match="lengths"):
        check_graph(graph)


def test_a_feature_beyond_the_inputs_never_runs_inline():
    graph = forest()
    place = next(
        i
        for i, mode in enumerate(
            next(
                a for a in trees_of(graph).attribute if a.name == "nodes_modes"
            ).strings
        )
        if mode != b"LEAF"
    )
    change(trees_of(graph), "nodes_featureids", place, 4)
    assert not is_inline_safe(graph, {"X": 4})


def test_forged_support_vectors_are_refused():
    with warnings.catch_warnings():  # the converter asks for a deprecated attribute
        warnings.simplefilter("ignore")
        graph = to_onnx(SVC().fit(X, y), SAMPLE, options={"zipmap": False})
    check_graph(graph)
    node = next(n for n in graph.graph.node if n.op_type == "SVMClassifier")
    change(node, "vectors_per_class", 0, 100_000)
    with pytest.raises(BadGraph):
        check_graph(graph)


def test_operators_outside_the_standard_are_refused():
    with pytest.raises(BadGraph, match=r"com\.example"):
        check_graph(single("Shell", "com.example"))
    with pytest.raises(BadGraph, match="NoSuchThing"):
        check_graph(single("NoSuchThing"))


def test_weights_in_another_file_are_refused():
    graph = single("Relu")
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "w")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    graph.graph.initializer.append(tensor)
    with pytest.raises(BadGraph, match="another file"):
        check_graph(graph)


def test_an_operator_whose_result_can_grow_runs_only_in_the_host():
    assert is_inline_safe(single("Relu"), {"x": 2})
    assert not is_inline_safe(single("ConstantOfShape"), {"x": 2})
    assert not is_inline_safe(single("Loop"), {"x": 2})
