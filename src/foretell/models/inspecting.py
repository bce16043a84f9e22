"""Inspects an uploaded model: the one function a sandboxed child runs for it.

Order matters: nothing is loaded before the gate has spoken, nothing is predicted
before the indices inside the model are checked, and no twin answers for the model
before it has proved on the probe rows that it gives the same answers.
"""

import contextlib
import hashlib
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from foretell.errors import TooLarge
from foretell.models import registry
from foretell.models.baselines import Baseline
from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable
from foretell.models.gate.verdict import Reason, Verdict
from foretell.models.libraries import installed
from foretell.models.parity import compare
from foretell.models.ports import (
    Candidate,
    CannotConvert,
    Flavour,
    LoadedModel,
    Outputs,
    Predictor,
    Terms,
)
from foretell.models.probing import Probes, answerable, make_probes
from foretell.models.reports import (
    InspectProgress,
    InspectRequest,
    InspectResult,
    Library,
    ParityReport,
    Twin,
    TwinReport,
)

Report = Callable[[Any], object]
_HEAD_BYTES = 4096
# The tolerance is promised for every row, and the probes are only some: a graph in
# single precision that just kept it on them has been seen to miss it on others. A
# probability is off by a few roundings at most, a value by as many as it has terms.
_MARGIN, _MARGIN_OF_PROBABILITIES = 0.5, 0.75
_LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib", "onnx", "onnxruntime")


def inspect_artifact(request: InspectRequest, report: Report) -> InspectResult:
    """Judge, load, describe, convert and prove one model file.

    Args:
        report: Is told which step begins.

    Raises:
        ModelRefused, ModelUnreadable, ModelUnusable, ExampleUnreadable, TooLarge
    """
    path = Path(request.artifact)
    size = path.stat().st_size
    if size > request.max_bytes:
        raise TooLarge(f"The model file has more than {request.max_bytes:,} bytes.")
    step = _steps(report)
    step("gate")
    flavour = _flavour_of(path, request)
    examples, notes = _examples(request)
    step("load")
    model = _load(flavour, path, request, examples)
    fitting, note = _fitting(examples, model)
    step("probe")
    probes, truth, dropped = _probe(model, fitting)
    notes += [note] if note else []
    notes += [
        f"The model itself fails on some rows of the kind {k!r}." for k in dropped
    ]
    step("convert")
    chosen, twins = _choose(model, request, probes, truth, step)
    step("measure")
    predictor = chosen[1] if chosen else model.predictor
    times = _times(predictor, probes)
    twin = _write(chosen[0], Path(request.output)) if chosen else None
    spec = predictor.spec
    if not chosen:
        spec = msgspec.structs.replace(spec, libraries=_versions(model.needs))
    return InspectResult(
        flavour=flavour.name,
        engine=spec.engine,
        signature=model.signature,
        spec=spec,
        safety=model.verdict,
        parity=ParityReport(spec.engine, request.tolerance, probes.counts(), twins),
        libraries=_libraries(model),
        twin=twin,
        sha256=_sha256(path),
        bytes=size,
        warnings=[*model.warnings, *notes],
        one_row_us=times[0],
        hundred_rows_us=times[1],
        baseline=_baseline(model, fitting, probes, truth),
    )


def _baseline(
    model: LoadedModel, fitting: Mapping[str, Any], probes: Probes, truth: Outputs
) -> Baseline:
    from foretell.models.baselining import measure

    return measure(model.signature, fitting, probes.why, truth)


def _steps(
    report: Report,
) -> Callable[
    [Literal["gate", "load", "probe", "convert", "compare", "measure"]], None
]:
    def step(
        name: Literal["gate", "load", "probe", "convert", "compare", "measure"],
    ) -> None:
        report(InspectProgress(name))

    return step


def _flavour_of(path: Path, request: InspectRequest) -> Flavour:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    names = registry.flavour_names()
    if request.flavour is not None and request.flavour not in names:
        raise ModelUnreadable(
            f"There is no flavour {request.flavour!r}; there are {', '.join(names)}."
        )
    for name in names:
        flavour = registry.flavour(name)
        if flavour.recognises(head, request.filename):
            _check_declared(name, head, request)
            return flavour
    raise ModelUnreadable(_unknown_format(head))


def _check_declared(name: str, head: bytes, request: InspectRequest) -> None:
    if request.flavour not in (None, name):
        raise ModelUnreadable(
            f"The file is of the flavour {name!r}, not {request.flavour!r}."
        )
    is_pickle = name == "sklearn" and not head.startswith(b"PK\x03\x04")
    if is_pickle and request.pickle == "forbid":
        reason = Reason("forbidden", "This server takes no pickles (PICKLE=forbid).")
        raise ModelRefused(Verdict("unknown", "pickle", reasons=[reason]))


def _unknown_format(head: bytes) -> str:
    kinds = {
        b"PK\x03\x04": "a zip archive of an unknown kind",
        b"binf": "XGBoost's old binary format; save it as .json or .ubj",
        b"{": "JSON",
        b"PAR1": "a Parquet file, which holds a table",
        b"GIF8": "an image",
        b"\x89PNG": "an image",
        b"%PDF": "a PDF",
    }
    for magic, kind in kinds.items():
        if head.startswith(magic):
            return f"The file is {kind}, not a model that can be served."
    if not head:
        return "The file is empty."
    return (
        "The file is neither a pickle, a joblib file, a model of ONNX, skops, "
        "XGBoost (JSON, UBJSON) or LightGBM (text), nor a net of PyTorch or Keras."
    )


def _examples(request: InspectRequest) -> tuple[Mapping[str, Any] | None, list[str]]:
    if request.example is None:
        return None, []
    from foretell.models.examples import read_examples

    return read_examples(Path(request.example)), []


def _load(
    flavour: Flavour,
    path: Path,
    request: InspectRequest,
    examples: Mapping[str, Any] | None,
) -> LoadedModel:
    terms = Terms(
        allow=request.allow,
        trust=request.trust,
        scratch=Path(request.output),
        names=request.names,
        pickle=request.pickle,
    )
    with _quiet():
        return flavour.load(path, terms, examples)


def _fitting(
    examples: Mapping[str, Any] | None, model: LoadedModel
) -> tuple[Mapping[str, Any], str | None]:
    if examples is None:
        return {}, None
    from foretell.models.examples import matched

    return matched(dict(examples), list(model.signature.names))


def _probe(
    model: LoadedModel, examples: Mapping[str, Any]
) -> tuple[Probes, Outputs, list[str]]:
    probes = make_probes(model.signature, model.hints, examples)
    with _quiet():
        try:
            left, truth, dropped = answerable(probes, model.predictor.predict)
        except MemoryError:
            raise
        except Exception as error:
            raise ModelUnusable(
                f"The model does not answer: {type(error).__name__}: {error}"
            ) from error
    return left, truth, list(dropped)


def _choose(
    model: LoadedModel,
    request: InspectRequest,
    probes: Probes,
    truth: Outputs,
    step: Callable[[Any], None],
) -> tuple[tuple[Candidate, Predictor] | None, list[TwinReport]]:
    """The first twin that passes, in the order of the engines."""
    reports: list[TwinReport] = []
    for name in registry.engine_names():
        if request.engine not in ("auto", name):
            continue
        engine = registry.engine(name)
        with _quiet():
            for candidate in engine.candidates(model):
                if isinstance(candidate, CannotConvert):
                    reports.append(TwinReport(name, "", False, reason=str(candidate)))
                    continue
                step("compare")
                tried = _try(candidate, model, probes, truth, request.tolerance)
                reports.append(tried[1])
                if tried[0] is not None:
                    return (candidate, tried[0]), reports
    if request.engine not in ("auto", "native"):
        raise ModelUnusable(
            f"The engine {request.engine!r} was asked for, but no twin of it answers "
            "as the model does: " + "; ".join(r.reason or "" for r in reports)
        )
    return None, reports


def _try(
    candidate: Candidate,
    model: LoadedModel,
    probes: Probes,
    truth: Outputs,
    tolerance: float,
) -> tuple[Predictor | None, TwinReport]:
    engine = registry.engine(candidate.spec.engine)
    try:
        predictor = engine.open(candidate.spec, model.signature, candidate.data)
        given = predictor.predict(probes.columns)
        is_share = candidate.spec.scores == "probabilities"
        margin = _MARGIN_OF_PROBABILITIES if is_share else _MARGIN
        report = compare(truth, given, probes, tolerance * margin)
        report = _compare_single(report, predictor, given, probes)
    except MemoryError:
        raise
    except Exception as error:  # converters make graphs that no runtime takes
        reason = f"It does not run: {type(error).__name__}: {error}"[:500]
        return None, TwinReport(
            candidate.spec.engine, candidate.variant, False, reason=reason
        )
    named = msgspec.structs.replace(
        report, engine=candidate.spec.engine, variant=candidate.variant
    )
    if not named.accepted:
        return None, named
    named = msgspec.structs.replace(named, one_row_us=_times(predictor, probes)[0])
    return predictor, named


def _compare_single(
    report: TwinReport, predictor: Predictor, given: Outputs, probes: Probes
) -> TwinReport:
    """The one-row path must answer as the batch path does."""
    rows = list(zip(*probes.columns.values(), strict=True))
    for index in range(0, len(rows), max(1, len(rows) // 50)):
        label, _ = predictor.predict_one(rows[index])
        wanted = given.predictions[index : index + 1].tolist()[0]
        if label != wanted and not _close(label, wanted):
            return msgspec.structs.replace(
                report, accepted=False, reason="One row alone is answered differently."
            )
    return report


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return all(_close(a, b) for a, b in zip(one, other, strict=True))
    if not isinstance(one, float) or not isinstance(other, float):
        return bool(one == other)
    same = one != one and other != other
    return same or abs(one - other) <= 1e-6 * max(1.0, abs(other))


def _times(predictor: Predictor, probes: Probes) -> tuple[float, float]:
    """Median microseconds of a call with one row, and with a hundred."""
    rows = list(zip(*probes.columns.values(), strict=True))
    row = rows[0]
    hundred = {name: values[:100] for name, values in probes.columns.items()}
    with _quiet():
        one = _median_us(lambda: predictor.predict_one(row))
        many = _median_us(lambda: predictor.predict(hundred))
    return one, many


def _median_us(call: Callable[[], object], budget_seconds: float = 0.1) -> float:
    taken: list[float] = []
    end = time.perf_counter() + budget_seconds
    while len(taken) < 5 or (time.perf_counter() < end and len(taken) < 300):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1e6, 1)


def _write(candidate: Candidate, folder: Path) -> Twin:
    name = f"twin{candidate.suffix}"
    (folder / name).write_bytes(candidate.data)
    digest = hashlib.sha256(candidate.data).hexdigest()
    return Twin(name, digest, len(candidate.data))


def _libraries(model: LoadedModel) -> dict[str, Library]:
    found, written = {}, model.verdict.libraries
    for name in dict.fromkeys((*_LIBRARIES, *model.needs, *written)):
        here, saved = installed(name), written.get(name)
        if here is not None or saved is not None:
            found[name] = Library(installed=here, saved=saved)
    return found


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {name: installed(name) for name in names}
    return {name: here for name, here in found.items() if here is not None}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Models and converters warn about their own business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
