"""The ports of model serving: what a flavour and an engine must offer.

A flavour knows one kind of artifact: it recognises the file, judges it, loads it and
tells its signature. An engine turns a loaded model into something that predicts, and
opens it again from a file later. Both are found by name (`registry.py`) and run in
sandboxed children; only the predictors of data-only engines also run in the API
process. This module imports no data library.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from foretell.models.gate.verdict import Verdict
from foretell.models.signature import Scalar, Signature

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Batch = Mapping[str, "Sequence[Any] | npt.NDArray[Any]"]
Scores = Literal["probabilities", "decision", "none"]
Method = Literal["predict", "transform", "score_samples"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Answers for a batch of rows.

    Attributes:
        predictions: One per row, in the labels' own type; shape `(rows,)`, or
            `(rows, outputs)` for a model with several outputs.
        scores: Shape `(rows, classes)`; probabilities or decision values as the
            predictor's `scores` says. A decision of two classes has one column.
            For several outputs a list of such arrays. None where there are none.
    """

    predictions: "npt.NDArray[Any]"
    scores: "npt.NDArray[np.float64] | list[npt.NDArray[np.float64]] | None" = None


class Feed(msgspec.Struct, frozen=True):
    """One input tensor of an engine: which columns it takes, and as what."""

    name: str
    columns: list[int]
    dtype: Literal["float32", "float64", "int64", "int32", "bool", "object"]
    rank: int = 2


class EngineSpec(msgspec.Struct, frozen=True):
    """All an engine needs, beside the file, to open a predictor again.

    Attributes:
        engine: `onnxruntime`, `linear` or `native`.
        scores: What the scores of this model are.
        classes: The labels in their own types; empty for regressors.
        feeds: The engine's input tensors (ONNX Runtime only).
        label: Name of the output with the predictions; `score` of the scores.
        raw_labels: The labels as the graph gives them, in the order of `classes`,
            where they differ from `classes` (True comes out as 1).
        score_column: The one column of the scores that counts: graphs give a
            decision between two classes twice, with both signs.
        size: Number of values a prediction has, if it is a list.
        output_classes: Classes of each output, for classifiers with several.
        is_inline: The API process may run it; otherwise only the model host.
        libraries: For `native` the versions of its libraries at the upload.
        method: What the library's own object is asked for; the answer to it is the
            prediction, whichever engine gives it.
    """

    engine: str
    scores: Scores = "none"
    classes: list[Scalar] = []
    feeds: list[Feed] = []
    label: str = ""
    score: str | None = None
    raw_labels: list[Scalar] | None = None
    score_column: int | None = None
    size: int | None = None
    output_classes: list[list[Scalar]] | None = None
    is_inline: bool = True
    libraries: dict[str, str] = {}
    method: Method = "predict"


class Predictor(Protocol):
    """Something that answers rows.

    Safe to call from several threads at once.
    """

    spec: EngineSpec
    columns: tuple[str, ...]
    class_names: tuple[str, ...]

    def predict(self, batch: Batch) -> Outputs:
        """Answer all rows of a batch of columns.

        Args:
            batch: For every input its values: a numpy array, or a list. A missing
                value is None (or NaN in a float array).
        """
        ...

    def predict_one(self, values: Sequence[Any]) -> tuple[Any, list[Any] | None]:
        """Answer one row, given in the order of `columns`.

        Returns:
            The prediction as a Python value (a list for several outputs) and the
            scores in the order of `class_names`, or None.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hints:
    """Where a model's answer may jump, for the columns it was found for.

    Attributes:
        thresholds: Per column the values at which a tree splits, in the column's
            own unit (before any scaling).
        ranges: Per column about where its values lay in training.
    """

    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, inside the child that loaded it.

    Attributes:
        native: The library's own object (an estimator, an ONNX graph).
        predictor: Answers as the library itself does: the truth for parity.
        verdict: What the gate or the structure check said about the file.
        warnings: What a person should know about the load.
        hints: Where probing should look.
        needs: Libraries whose version its answers depend on.
    """

    native: Any
    signature: Signature
    predictor: Predictor
    verdict: Verdict
    warnings: Sequence[str] = ()
    hints: "Hints" = field(default_factory=lambda: Hints())
    needs: Sequence[str] = ()


class Flavour(Protocol):
    """One kind of artifact."""

    name: str

    def recognises(self, head: bytes, filename: str) -> bool:
        """True when the first bytes are of this kind; the name is only a hint."""
        ...

    def load(
        self, path: Path, terms: "Terms", examples: "Batch | None" = None
    ) -> LoadedModel:
        """Judge a file without executing any of it, and load it if it may be.

        Raises:
            ModelRefused: The file may not be loaded on these terms.
            ModelUnreadable: It is not a whole file of this flavour.
            ModelUnusable: What it holds cannot be asked for predictions.
        """
        ...

    def open(
        self, path: Path, signature: Signature, spec: EngineSpec, terms: "Terms"
    ) -> Predictor:
        """Judge and load again a file that was inspected before."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a file may be loaded.

    Attributes:
        allow: Packages whose classes a pickle may hold.
        trust: An administrator vouches for names the gate does not know.
        scratch: A folder for temporary files.
        names: Names for the inputs of a model that has none of its own.
        pickle: `forbid`: no pickle is loaded, however it is packed.
    """

    allow: Sequence[str] = ()
    trust: bool = False
    scratch: Path | None = None
    names: Sequence[str] | None = None
    pickle: Literal["gate", "forbid"] = "gate"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to answer faster or more safely than the library itself.

    Attributes:
        data: The twin file's bytes; holds data only.
        variant: What sets it apart from other candidates, such as `double`.
    """

    spec: EngineSpec
    data: bytes
    variant: str
    suffix: str


class CannotConvert(Exception):
    """An engine has no twin for this model; the message says why."""


class Engine(Protocol):
    """Makes twins of models and opens them."""

    name: str

    def candidates(self, model: LoadedModel) -> Iterable["Candidate | CannotConvert"]:
        """Give the twins this engine can make, best first."""
        ...

    def open(self, spec: EngineSpec, signature: Signature, data: bytes) -> Predictor:
        """Open a twin from its bytes."""
        ...
