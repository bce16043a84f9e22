"""scikit-learn models: pickle and joblib files in every packing, and skops files."""

import pickle
import pickletools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from foretell.models.errors import ModelUnusable
from foretell.models.gate.containers import compression_of
from foretell.models.gate.skops_archive import is_skops
from foretell.models.gate.verdict import Verdict
from foretell.models.libraries import mismatch
from foretell.models.ports import (
    Batch,
    EngineSpec,
    Hints,
    LoadedModel,
    Predictor,
    Terms,
)
from foretell.models.signature import (
    InputField,
    OutputField,
    Signature,
    plain_value,
    unnamed,
)
from foretell.plugins.engines.native import NativePredictor
from foretell.plugins.estimators.columns import (
    Known,
    known_columns,
    remembered_rows,
    steps_of,
)
from foretell.plugins.estimators.forms import form_of, method_of, scores_kind
from foretell.plugins.estimators.trees import (
    BrokenTree,
    all_parts,
    check_trees,
    thresholds,
)
from foretell.plugins.flavours.sklearn_boosters import (
    checked_boosters,
    saved_versions,
)
from foretell.plugins.flavours.sklearn_lines import lines_to
from foretell.plugins.flavours.sklearn_loading import load_pickle, load_skops

_FIRST_OPCODES = b"(]}c\x80"


class SklearnFlavour:
    """Estimators and pipelines saved by `pickle`, `joblib` or `skops.io`."""

    name = "sklearn"

    def recognises(self, head: bytes, filename: str) -> bool:
        if compression_of(head) is not None or is_skops(head):
            return True
        if head[:1] == b"\x80":
            return len(head) > 1 and head[1] <= pickle.HIGHEST_PROTOCOL
        return head[:1] in (b"c", b"(", b"]", b"}") and _starts_like_a_pickle(head)

    def load(
        self, path: Path, terms: Terms, examples: Batch | None = None
    ) -> LoadedModel:
        verdict, model, notes = self._admit(path, terms)
        names, is_named = _names_of(model, terms.names)
        known = known_columns(model, names)
        inputs = [_field(name, one) for name, one in zip(names, known, strict=True)]
        inputs = _with_examples(inputs, known, examples)
        try:
            spec, outputs, inputs = _try_out(model, inputs, is_named=is_named)
        except ModelUnusable as error:
            saved = verdict.libraries.get("scikit-learn")
            raise _explained(error, mismatch("scikit-learn", saved)) from error
        signature = Signature(inputs, outputs)
        return LoadedModel(
            native=model,
            signature=signature,
            predictor=NativePredictor(model, signature, spec, is_named=is_named),
            verdict=verdict,
            warnings=notes,
            hints=_hints(model, signature, known),
            needs=_needs(verdict),
        )

    def open(
        self, path: Path, signature: Signature, spec: EngineSpec, terms: Terms
    ) -> Predictor:
        _, model, _ = self._admit(path, terms)
        is_named = _names_of(model, terms.names)[1]
        return NativePredictor(model, signature, spec, is_named=is_named)

    def _admit(self, path: Path, terms: Terms) -> tuple[Verdict, Any, list[str]]:
        with path.open("rb") as file:
            load = load_skops if is_skops(file.read(256)) else load_pickle
        verdict, model, notes = load(path, terms)
        if hasattr(model, "checked"):
            raise ModelUnusable(
                "The file holds a bare Booster; save it by its own `save_model` and "
                "upload that file."
            )
        method_of(model)  # refuses what says nothing about a row
        try:
            check_trees(model)
        except (BrokenTree, AttributeError, TypeError, ValueError) as error:
            raise ModelUnusable(f"The model is damaged: {error}") from error
        _one_thread(model)
        saved, more = saved_versions(model)
        verdict = replace(verdict, libraries={**verdict.libraries, **saved})
        return verdict, model, [*notes, *more]


def _explained(error: ModelUnusable, reason: str | None) -> ModelUnusable:
    """A failure to answer, with the other release that is likely behind it."""
    return error if reason is None else ModelUnusable(f"{error.detail} {reason}")


def _starts_like_a_pickle(head: bytes) -> bool:
    try:
        next(pickletools.genops(head))
    except (ValueError, StopIteration):
        return False
    return True


def _one_thread(model: Any) -> None:
    """A host serves many calls; one call must not start a pool of threads."""
    threadpool_limits(limits=1)
    for part in all_parts(model):
        if getattr(part, "n_jobs", None) not in (None, 1):
            part.n_jobs = 1
    for part, _ in checked_boosters(model):  # where None means all processors
        part.n_jobs = 1


def _needs(verdict: Verdict) -> list[str]:
    """Libraries whose objects the file holds."""
    roots = {name.split(".")[0] for name in verdict.globals}
    more = [name for name in ("lightgbm", "xgboost") if name in roots]
    return ["scikit-learn", *more]


def _names_of(model: Any, given: Sequence[str] | None) -> tuple[list[str], bool]:
    """The input names, and whether the model itself knows them."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        first = steps_of(model)[0]
        names = getattr(first, "feature_names_in_", None)
    if names is not None:
        return [str(name) for name in names], True
    count = getattr(model, "n_features_in_", None)
    count = 1 if count is None else int(count)
    if given is not None and len(given) == count:
        return list(given), False
    return unnamed(count), False


def _field(name: str, known: Known) -> InputField:
    return InputField(
        name=name, type=known.type or "float", values=known.values, closed=known.closed
    )


def _with_examples(
    inputs: list[InputField], known: list[Known], examples: Batch | None
) -> list[InputField]:
    if examples is None:
        return inputs
    from foretell.models.examples import refine

    return [
        refine(field, examples.get(field.name), is_certain=one.type is not None)
        for field, one in zip(inputs, known, strict=True)
    ]


def _try_out(
    model: Any, inputs: list[InputField], *, is_named: bool
) -> tuple[EngineSpec, list[OutputField], list[InputField]]:
    """Predict once to learn the form of the answers, then try missing values."""
    method = method_of(model)
    scores = scores_kind(model, method)
    draft = EngineSpec(engine="native", method=method, scores=scores, is_inline=False)
    inputs, row = _working_row(model, inputs, draft, is_named=is_named)
    signature = Signature(inputs, [])
    predictor = NativePredictor(model, signature, draft, is_named=is_named)
    batch = {name: [value] * 2 for name, value in row.items()}
    predictions = predictor.predict(batch)
    spec, outputs = form_of(model, predictions, draft)
    return spec, outputs, _nullable(predictor, inputs, row)


def _working_row(
    model: Any, inputs: list[InputField], draft: EngineSpec, *, is_named: bool
) -> tuple[list[InputField], dict[str, Any]]:
    """A row the model answers; numbers unless only text works."""
    failure: Exception | None = None
    plain = {field.name: plain_value(field) for field in inputs}
    tries = [(inputs, plain)]
    rows = remembered_rows(model)
    if rows is not None and rows.shape[1] == len(inputs):
        tries.append((inputs, dict(zip(plain, rows[0].tolist(), strict=True))))
    texts = [_as_text(field) for field in inputs]
    tries.append((texts, {field.name: plain_value(field) for field in texts}))
    for attempt, row in tries:
        predictor = NativePredictor(
            model, Signature(attempt, []), draft, is_named=is_named
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predictor.predict({name: [value] * 2 for name, value in row.items()})
        except MemoryError:
            raise
        except Exception as error:  # an estimator may raise anything
            failure = failure or error
            continue
        return attempt, row
    raise ModelUnusable(
        "The model loads but does not answer a plain row: "
        f"{type(failure).__name__}: {failure}"
    ) from failure


def _as_text(field: InputField) -> InputField:
    return InputField(field.name, "text", values=field.values, closed=field.closed)


def _nullable(
    predictor: NativePredictor, inputs: list[InputField], row: dict[str, Any]
) -> list[InputField]:
    """Mark the columns in which the model itself takes a missing value."""
    taken: set[str] = set()
    pending = [[field.name for field in inputs]]
    calls = 0
    while pending and calls < 600:
        names = pending.pop()
        calls += 1
        if _answers_without(predictor, row, names):
            taken.update(names)
        elif len(names) > 1:
            middle = len(names) // 2
            pending += [names[:middle], names[middle:]]
    return [
        InputField(
            name=field.name,
            type=field.type,
            nullable=field.name in taken,
            values=field.values,
            closed=field.closed,
            min=field.min,
            max=field.max,
        )
        for field in inputs
    ]


def _answers_without(
    predictor: NativePredictor, row: dict[str, Any], names: list[str]
) -> bool:
    """True when each of the columns may be missing, one row for each."""
    rows = [{**row, name: None} for name in names]
    batch = {key: [one[key] for one in rows] for key in row}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = predictor.predict(batch)
    except MemoryError:
        raise
    except Exception:  # whatever it says, it does not take missing values
        return False
    kind = outputs.predictions.dtype.kind
    return not (kind == "f" and np.isnan(outputs.predictions).any())


def _hints(model: Any, signature: Signature, known: list[Known]) -> Hints:
    names = signature.names
    ranges = {
        name: one.range
        for name, one in zip(names, known, strict=True)
        if one.range is not None
    }
    return Hints(thresholds=_raw_thresholds(model, signature), ranges=ranges)


def _raw_thresholds(model: Any, signature: Signature) -> dict[str, list[float]]:
    """Thresholds in the unit of the raw columns.

    Between the raw column and the tree there may be scaling. Where one column of
    what the tree sees is a straight line over one raw column, the line is turned
    around; elsewhere there is no threshold to give.
    """
    steps = steps_of(model)
    final = steps[-1]
    width = getattr(final, "n_features_in_", None)
    if width is None:
        return {}
    found = thresholds(final, int(width))
    for _, boosted in checked_boosters(final):
        found = boosted.thresholds()
    if not any(len(one) for one in found):
        return {}
    raw: dict[str, list[float]] = {}
    for name, place, slope, offset in lines_to(model, signature):
        if place < len(found) and len(found[place]):
            values = (found[place] - offset) / slope
            raw.setdefault(name, []).extend(values.tolist())
    return raw
