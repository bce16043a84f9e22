"""Makes ONNX twins of scikit-learn models.

Nothing here is trusted: skl2onnx is known to be silently wrong in several cases, and
a double graph is not always loadable. Every twin goes through the parity proof.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)

from foretell.models.ports import (
    Candidate,
    CannotConvert,
    EngineSpec,
    Feed,
    LoadedModel,
)
from foretell.models.signature import InputField, Scalar, Signature
from foretell.plugins.engines import tree_graphs
from foretell.plugins.engines.booster_twins import booster_plan
from foretell.plugins.engines.onnx_graphs import BadGraph, check_graph, is_inline_safe
from foretell.plugins.estimators.columns import steps_of, unwrapped
from foretell.plugins.estimators.trees import all_parts, has_endless_split

Precision = Literal["double", "float"]
Dtype = Literal["float32", "float64", "int64", "int32", "bool", "object"]
_TENSORS = {
    "float32": FloatTensorType,
    "float64": DoubleTensorType,
    "int64": Int64TensorType,
    "bool": BooleanTensorType,
    "object": StringTensorType,
}
_TARGET_OPSET = {"": 18, "ai.onnx.ml": 3}


def twins(model: LoadedModel) -> Iterator[Candidate | CannotConvert]:
    """The double graph and the float graph of a model, as far as there are any."""
    if model.predictor.spec.output_classes is not None:
        yield CannotConvert("Classifiers with several outputs have no ONNX twin.")
        return
    if model.predictor.spec.method == "score_samples":
        yield CannotConvert("Densities have no ONNX twin.")
        return
    if "Neighbors" in type(steps_of(model.native)[-1]).__name__:
        yield CannotConvert("Equal distances are told apart in another order.")
        return
    makers: list[Callable[[], Candidate]] = [
        lambda: _tree_twin(model),
        lambda: skl2onnx_twin(model, "double"),
        lambda: skl2onnx_twin(model, "float"),
    ]
    for make in makers:
        try:
            yield make()
        except NotTrees:
            continue
        except CannotConvert as refusal:
            yield refusal
        except BadGraph as error:
            yield CannotConvert(str(error))


class NotTrees(CannotConvert):
    """The model has no trees; that is no failure worth reporting."""


def _tree_twin(model: LoadedModel) -> Candidate:
    """Trees in double precision, behind skl2onnx's graph of the steps before."""
    native = unwrapped(model.native)
    steps = steps_of(native)
    final = steps[-1]
    plan = _plan(model, final)
    is_named = _is_named(native)
    before = None
    if len(steps) > 1:
        feeds = _feeds(model.signature, "double", is_named=is_named)
        types = [
            (one.name, _TENSORS[one.dtype]([None, len(one.columns)])) for one in feeds
        ]
        before = _convert(native[: len(native.steps) - 1], types)
    else:
        feeds = [Feed("X", list(range(len(model.signature.inputs))), "float64")]
    graph = tree_graphs.graph_of(plan, int(final.n_features_in_), before)
    truth = model.predictor.spec
    spec = EngineSpec(
        engine="onnxruntime",
        scores=truth.scores,
        classes=truth.classes,
        feeds=feeds,
        label=graph.graph.output[0].name,
        score=graph.graph.output[1].name if truth.classes else None,
        raw_labels=list(range(len(truth.classes))) if truth.classes else None,
        size=truth.size,
        is_inline=is_inline_safe(graph, widths(feeds)),
    )
    check_graph(graph)
    data = tree_graphs.serialised(graph)
    return Candidate(spec=spec, data=data, variant="trees", suffix=".onnx")


def _plan(model: LoadedModel, final: Any) -> tree_graphs.Plan:
    """How the last step adds up its trees, or those of the booster inside."""
    boosted = getattr(getattr(final, "_Booster", None), "checked", None)
    if boosted is not None:
        is_classifier = boosted.form in ("binary", "multiclass")
        if is_classifier is not bool(model.predictor.spec.classes):
            raise CannotConvert("The wrapper answers otherwise than its booster.")
        return booster_plan(boosted)
    if not tree_graphs.has_plan(final) or model.predictor.spec.size:
        raise NotTrees("Not a tree model.")
    return tree_graphs.plan_of(final)


def skl2onnx_twin(model: LoadedModel, precision: Precision) -> Candidate:
    native = unwrapped(model.native)
    feeds = _feeds(model.signature, precision, is_named=_is_named(native))
    types = [
        (feed.name, _TENSORS[feed.dtype]([None, len(feed.columns)])) for feed in feeds
    ]
    graph = _convert(native, types)
    check_graph(graph)
    spec = _spec(model, graph, feeds)
    return Candidate(
        spec=spec, data=graph.SerializeToString(), variant=precision, suffix=".onnx"
    )


def _is_named(native: Any) -> bool:
    """Columns are picked by name, so each needs a tensor of its own."""
    if getattr(native, "feature_names_in_", None) is None:
        return False
    return any(hasattr(part, "transformers_") for part in all_parts(native))


def _feeds(signature: Signature, precision: Precision, *, is_named: bool) -> list[Feed]:
    dtypes = [_dtype(field, precision) for field in signature.inputs]
    if is_named:
        return [
            Feed(field.name, [index], dtypes[index])
            for index, field in enumerate(signature.inputs)
        ]
    everything = list(range(len(dtypes)))
    if "object" not in dtypes:
        return [
            Feed("X", everything, "float64" if precision == "double" else "float32")
        ]
    if set(dtypes) == {"object"}:
        return [Feed("X", everything, "object")]
    raise CannotConvert("Text among numbers without names has no ONNX twin.")


def _dtype(field: InputField, precision: Precision) -> Dtype:
    if field.type == "text":
        return "object"
    if field.type == "boolean" and not field.nullable:
        return "bool"
    if field.type == "integer" and not field.nullable:
        return "int64"
    return "float64" if precision == "double" else "float32"


def _convert(native: Any, types: list[tuple[str, Any]]) -> Any:
    if has_endless_split(native):
        # skl2onnx looks for the next smaller number for ever.
        raise CannotConvert("A tree splits into missing values and all others.")
    options = {id(native): {"zipmap": False}} if hasattr(native, "classes_") else None
    try:
        with contextlib.redirect_stdout(io.StringIO()), _plain_votes(native):
            return to_onnx(
                native,
                initial_types=types,
                options=options,
                target_opset=_TARGET_OPSET,
            )
    except MemoryError:
        raise
    except Exception as error:  # converters raise whatever they meet
        first = str(error).strip().split("\n")[0][:300]
        raise CannotConvert(f"skl2onnx: {type(error).__name__}: {first}") from error


@contextlib.contextmanager
def _plain_votes(native: Any) -> Iterator[None]:
    """Votes without `flatten_transform`, which has no converter.

    It shapes `transform`, never a prediction.
    """
    flat = [
        one for one in all_parts(native) if getattr(one, "flatten_transform", False)
    ]
    for one in flat:
        one.flatten_transform = False
    try:
        yield
    finally:
        for one in flat:
            one.flatten_transform = True


def _spec(model: LoadedModel, graph: Any, feeds: list[Feed]) -> EngineSpec:
    truth = model.predictor.spec
    outputs = [output.name for output in graph.graph.output]
    if truth.scores != "none" and len(outputs) < 2:
        raise CannotConvert("The graph has no output for the scores.")
    raw = _raw_labels(truth.classes)
    return EngineSpec(
        engine="onnxruntime",
        method=truth.method,
        scores=truth.scores,
        classes=truth.classes,
        feeds=feeds,
        label=outputs[0],
        score=outputs[1] if truth.scores != "none" else None,
        raw_labels=raw,
        score_column=_score_column(model),
        size=truth.size,
        is_inline=is_inline_safe(graph, widths(feeds)),
    )


def _score_column(model: LoadedModel) -> int | None:
    truth = model.predictor.spec
    if truth.scores != "decision" or len(truth.classes) != 2:
        return None
    # skl2onnx writes support vector machines with the sign of the first class.
    return 0 if type(steps_of(model.native)[-1]).__name__ in ("SVC", "NuSVC") else 1


def widths(feeds: list[Feed]) -> dict[str, int]:
    """How many columns each input tensor has."""
    return {feed.name: len(feed.columns) for feed in feeds}


def _raw_labels(classes: list[Scalar]) -> list[Scalar] | None:
    """Labels as a graph can hold them: 64-bit integers and text only."""
    if all(isinstance(label, str) for label in classes):
        return None
    raw: list[Scalar] = [
        np.int64(label).item() for label in classes if not isinstance(label, str)
    ]
    same = len(raw) == len(classes) and all(
        type(a) is type(b) and a == b for a, b in zip(raw, classes, strict=True)
    )
    return None if same or len(set(raw)) != len(classes) else raw
