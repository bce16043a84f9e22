"""What PyTorch and Keras models have in common: columns around tensors.

The names and the types of the columns come from the uploader or the example, their
number from the net; the form of the answers is learned by asking a few plain rows.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foretell.models.errors import ModelUnusable
from foretell.models.examples import refine
from foretell.models.gate.verdict import Verdict
from foretell.models.ports import (
    Batch,
    Candidate,
    CannotConvert,
    EngineSpec,
    LoadedModel,
    Terms,
)
from foretell.models.signature import (
    InputField,
    InputType,
    OutputField,
    OutputType,
    Scalar,
    Signature,
    class_names,
    unnamed,
)
from foretell.plugins.engines.chain_graphs import Layer, chain_twin
from foretell.plugins.engines.nets import NetPredictor, RowLimits, Run, TensorInput

MAX_COLUMNS = 1024  # the proof asks some thirty rows for each
_PLAIN_ROWS = 24
_SUM_OFF = 1e-4
_NO_TWIN = "This net has no ONNX twin here; it is answered by its own library."


@dataclass(frozen=True, slots=True)
class Net:
    """A net in memory, and how it is called.

    Attributes:
        layers: Gives the layers of a net that is a chain; raises `CannotConvert`.
    """

    run: Run
    tensors: Sequence[TensorInput]
    limits: RowLimits = field(default_factory=RowLimits)
    warnings: Sequence[str] = ()
    layers: Callable[[], list[Layer]] | None = None


@dataclass(slots=True)
class NetModel:
    """The native object of a loaded net: gives its twins to the engine."""

    net: Net
    spec: EngineSpec

    def candidates(self) -> Iterator[Candidate | CannotConvert]:
        """The twin of a chain of layers, or why there is none."""
        tensors = self.net.tensors
        is_table = (
            len(tensors) == 1
            and len(tensors[0].shape) == 1
            and tensors[0].dtype == "float32"
        )
        if self.net.layers is None or not is_table:
            yield CannotConvert(_NO_TWIN)
            return
        try:
            yield chain_twin(self.net.layers(), tensors[0].width, self.spec)
        except CannotConvert as refusal:
            yield refusal


def describe(
    net: Net,
    terms: Terms,
    verdict: Verdict,
    examples: Batch | None,
    *,
    needs: Sequence[str],
) -> LoadedModel:
    """Find a net's signature, and put it behind the ports.

    Args:
        needs: Libraries that answer for it.

    Raises:
        ModelUnusable: It does not answer rows of columns, or not twice alike.
    """
    inputs = _inputs(net.tensors, terms.names, examples)
    spec, outputs = _form(net, inputs)
    signature = Signature(inputs, outputs)
    return LoadedModel(
        native=NetModel(net, spec),
        signature=signature,
        predictor=NetPredictor(net.run, net.tensors, net.limits, signature, spec),
        verdict=verdict,
        warnings=list(net.warnings),
        needs=needs,
    )


def predictor(net: Net, signature: Signature, spec: EngineSpec) -> NetPredictor:
    """A net that was inspected before, behind the predictor port."""
    return NetPredictor(net.run, net.tensors, net.limits, signature, spec)


def example_names(examples: Batch | None, width: int) -> list[str] | None:
    """The example's columns, where they are as many as the net takes."""
    if examples is None or len(examples) != width:
        return None
    return [str(name) for name in examples]


def checked_tensor(name: str, shape: Sequence[Any], dtype: str) -> TensorInput:
    """An input whose rows have a shape of whole numbers.

    Args:
        shape: Of one row; anything but a positive number means "any size".

    Raises:
        ModelUnusable: It has rows of any length, or too many columns.
    """
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise ModelUnusable(
            f"The input {name!r} takes rows of any length; a served model needs a "
            "fixed number of columns. Export it with a fixed size after the rows."
        )
    made = TensorInput(name, tuple(shape), dtype)
    if made.width > MAX_COLUMNS:
        raise ModelUnusable(
            f"The input {name!r} has {made.width:,} values a row; at most "
            f"{MAX_COLUMNS:,} columns are served."
        )
    return made


def _inputs(
    tensors: Sequence[TensorInput],
    given: Sequence[str] | None,
    examples: Batch | None,
) -> list[InputField]:
    total = sum(one.width for one in tensors)
    if not tensors or not total:
        raise ModelUnusable("The net has no inputs.")
    names = list(given) if given is not None and len(given) == total else None
    names = names or example_names(examples, total) or _names(tensors, total)
    fields: list[InputField] = []
    for one in tensors:
        kind = _type_of(one.dtype)
        place = names[len(fields) : len(fields) + one.width]
        fields += [InputField(name, kind) for name in place]
    if examples is None:
        return fields
    return [refine(f, examples.get(f.name), is_certain=True) for f in fields]


def _names(tensors: Sequence[TensorInput], total: int) -> list[str]:
    if len(tensors) == 1:
        return unnamed(total)
    names: list[str] = []
    for one in tensors:
        places = range(one.width)
        names += [one.name] if one.shape == () else [f"{one.name}_{i}" for i in places]
    return names


def _type_of(dtype: str) -> InputType:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return "boolean"
    return "integer" if kind in "iu" else "float"


def _form(net: Net, inputs: list[InputField]) -> tuple[EngineSpec, list[OutputField]]:
    """Ask plain rows to learn what the answers are."""
    draft = EngineSpec(engine="native", is_inline=False)
    asking = NetPredictor(
        net.run, net.tensors, net.limits, Signature(inputs, []), draft
    )
    batch = _plain_rows(inputs)
    values = _asked(asking, batch)
    if not np.array_equal(values, _asked(asking, batch), equal_nan=True):
        raise ModelUnusable(
            "The net answers the same rows otherwise each time: it is in training "
            "mode, or draws random numbers. Call eval() before you export it."
        )
    width = values.shape[1]
    if width == 0:
        raise ModelUnusable("The net gives no value for a row.")
    if _are_probabilities(values):
        classes: list[Scalar] = list(range(width))
        spec = EngineSpec(
            "native", scores="probabilities", classes=classes, is_inline=False
        )
        keys: list[Scalar] = list(class_names(classes))
        return spec, [
            OutputField("prediction", "integer", values=classes),
            OutputField("probabilities", "float", values=keys),
        ]
    size = width if width > 1 else None
    spec = EngineSpec("native", size=size, is_inline=False)
    return spec, [OutputField("prediction", _output_type(values), size=size)]


def _plain_rows(inputs: Sequence[InputField]) -> dict[str, Any]:
    random = np.random.default_rng(20_261_201)
    plain: dict[str, Callable[[], Any]] = {
        "boolean": lambda: random.random(_PLAIN_ROWS) < 0.5,
        "integer": lambda: random.integers(0, 2, _PLAIN_ROWS),
        "float": lambda: random.normal(0, 1.5, _PLAIN_ROWS),
    }
    return {one.name: plain[one.type]() for one in inputs}


def _asked(asking: NetPredictor, batch: Batch) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return asking.values(batch)
    except MemoryError:
        raise
    except Exception as error:  # a net may raise anything
        first = str(error).strip().split("\n")[0][:300]
        raise ModelUnusable(
            f"The net loads but does not answer plain rows: "
            f"{type(error).__name__}: {first}"
        ) from error


def _are_probabilities(values: Any) -> bool:
    if values.dtype.kind != "f" or values.shape[1] < 2:
        return False
    sums = values.astype(np.float64).sum(axis=1)
    return bool((values >= 0).all() and (np.abs(sums - 1) < _SUM_OFF).all())


def _output_type(values: Any) -> OutputType:
    kinds: dict[str, OutputType] = {"b": "boolean", "i": "integer", "u": "integer"}
    return kinds.get(values.dtype.kind, "float")
