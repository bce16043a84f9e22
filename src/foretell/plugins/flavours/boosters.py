"""XGBoost's and LightGBM's own model files: data-only formats.

The file is read and checked here, and the library gets only what was checked, in
bytes written anew (`estimators/boosted.py`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable
from foretell.models.gate.verdict import Reason, Verdict
from foretell.models.libraries import mismatch
from foretell.models.ports import (
    Batch,
    EngineSpec,
    Hints,
    LoadedModel,
    Predictor,
    Scores,
    Terms,
)
from foretell.models.signature import (
    InputField,
    OutputField,
    Scalar,
    Signature,
    class_names,
    unnamed,
)
from foretell.plugins.engines.boosters import BoosterPredictor, library
from foretell.plugins.estimators.boosted import BadBooster, Boosted, UnservedBooster
from foretell.plugins.estimators.columns import Known
from foretell.plugins.estimators.lightgbm_files import is_lightgbm, read_lightgbm
from foretell.plugins.estimators.xgboost_files import is_xgboost, read_xgboost

# Reading takes several times the size of the file in memory.
MAX_BYTES = 512 * 1024**2


class _BoosterFlavour:
    name: Literal["xgboost", "lightgbm"]
    _read: Callable[[bytes], Boosted]

    def load(
        self, path: Path, terms: Terms, examples: Batch | None = None
    ) -> LoadedModel:
        library(self.name)
        boosted = self._boosted(path)
        names = _names(boosted, terms.names)
        inputs = [_field(n, one) for n, one in zip(names, boosted.columns, strict=True)]
        if examples is not None:
            inputs = _with_examples(inputs, boosted.columns, examples)
        spec, outputs = _form(boosted)
        signature = Signature(inputs, outputs)
        saved: dict[str, str] = {}
        if boosted.saved is not None:
            saved[self.name] = boosted.saved
        warning = mismatch(self.name, boosted.saved)
        return LoadedModel(
            native=boosted,
            signature=signature,
            predictor=BoosterPredictor(boosted, signature, spec),
            verdict=Verdict(
                "safe", self.name, libraries=saved, bytes=path.stat().st_size
            ),
            warnings=[*([warning] if warning else []), *boosted.notes],
            hints=_hints(boosted, names),
            needs=[self.name],
        )

    def open(
        self, path: Path, signature: Signature, spec: EngineSpec, terms: Terms
    ) -> Predictor:
        return BoosterPredictor(self._boosted(path), signature, spec)

    def _boosted(self, path: Path) -> Boosted:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelUnreadable(
                f"A {self.name} file may have at most {MAX_BYTES:,} bytes."
            )
        try:
            return type(self)._read(path.read_bytes())
        except UnservedBooster as error:
            raise ModelUnusable(str(error)) from error
        except BadBooster as error:
            reason = Reason("structure", str(error))
            raise ModelRefused(
                Verdict("hostile", self.name, reasons=[reason], bytes=size)
            ) from error


class XgboostFlavour(_BoosterFlavour):
    """Files of `Booster.save_model` and of the wrappers for scikit-learn."""

    name = "xgboost"
    _read = staticmethod(read_xgboost)

    def recognises(self, head: bytes, filename: str) -> bool:
        return is_xgboost(head)


class LightgbmFlavour(_BoosterFlavour):
    """Files of `Booster.save_model`."""

    name = "lightgbm"
    _read = staticmethod(read_lightgbm)

    def recognises(self, head: bytes, filename: str) -> bool:
        return is_lightgbm(head)


def _names(boosted: Boosted, given: Sequence[str] | None) -> list[str]:
    count = len(boosted.columns)
    numbered = [f"Column_{n}" for n in range(count)]  # what LightGBM makes up
    if boosted.names is not None and boosted.names != numbered:
        return list(boosted.names)
    if given is not None and len(given) == count:
        return list(given)
    return boosted.names or unnamed(count)


def _field(name: str, known: Known) -> InputField:
    return InputField(
        name=name,
        type=known.type or "float",
        nullable=True,  # both libraries send a missing value down a way of its own
        values=known.values,
        closed=known.closed,
    )


def _with_examples(
    inputs: list[InputField], known: list[Known], examples: Batch
) -> list[InputField]:
    from msgspec.structs import replace

    from foretell.models.examples import refine

    refined = [
        refine(field, examples.get(field.name), is_certain=one.type is not None)
        for field, one in zip(inputs, known, strict=True)
    ]
    return [replace(field, nullable=True) for field in refined]


def _form(boosted: Boosted) -> tuple[EngineSpec, list[OutputField]]:
    form, count = boosted.form, boosted.outputs
    if form in ("value", "values", "multilabel"):
        size = count if form != "value" else None
        is_label = form == "multilabel"
        spec = EngineSpec(
            engine="native",
            scores="probabilities" if is_label else "none",
            size=size,
            output_classes=[[0, 1]] * count if is_label else None,
            is_inline=False,
        )
        kind: Literal["integer", "float"] = "integer" if is_label else "float"
        outputs = [OutputField("prediction", kind, size=size)]
        if is_label:
            outputs.append(OutputField("probabilities", "float", size=size))
        return spec, outputs
    classes: list[Scalar] = list(range(max(2, count)))
    scores: Scores = "none" if form == "labels" else "probabilities"
    spec = EngineSpec(engine="native", scores=scores, classes=classes, is_inline=False)
    outputs = [OutputField("prediction", "integer", values=classes)]
    if scores != "none":
        names: list[Scalar] = list(class_names(classes))
        outputs.append(OutputField(scores, "float", values=names))
    return spec, outputs


def _hints(boosted: Boosted, names: Sequence[str]) -> Hints:
    found = zip(names, boosted.thresholds(), strict=True)
    spans = zip(names, boosted.columns, strict=True)
    return Hints(
        thresholds={name: values.tolist() for name, values in found if len(values)},
        ranges={name: one.range for name, one in spans if one.range is not None},
    )
