"""Compares a twin's answers with the model's own.

A twin is accepted only if every label is the same and no probability or value is
further off than the tolerance; the report names the worst row otherwise.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.models.ports import Outputs
from foretell.models.probing import Probes
from foretell.models.reports import Difference, TwinReport

Numbers = npt.NDArray[np.float64]


def compare(
    expected: Outputs, given: Outputs, probes: Probes, tolerance: float
) -> TwinReport:
    """Compare the answers to all probe rows.

    Differences of probabilities are absolute, those of all other numbers relative
    to max(1, |value|). Missing equals missing.

    Returns:
        A report without the engine's name; `accepted` is the verdict.
    """
    wrong = _wrong_labels(expected.predictions, given.predictions)
    off = _row_differences(expected, given)
    is_off = wrong | ~(off <= tolerance)
    report = TwinReport(
        engine="",
        variant="",
        accepted=not is_off.any(),
        rows=len(is_off),
        wrong_labels=int(wrong.sum()),
        rows_off=int(is_off.sum()),
        largest_difference=float(
            np.nan_to_num(off, nan=1e308, posinf=1e308).max(initial=0)
        ),
    )
    if report.accepted:
        return report
    return _with_worst(report, is_off, wrong, off, (expected, given, probes))


def _wrong_labels(expected: Any, given: Any) -> npt.NDArray[np.bool_]:
    if expected.dtype.kind == "f" and given.dtype.kind in "fiu":
        return np.zeros(len(expected), dtype=bool)
    if expected.shape != given.shape:
        return np.ones(len(expected), dtype=bool)
    same = np.asarray(
        [a == b for a, b in zip(expected.tolist(), given.tolist(), strict=True)]
    )
    return ~same.reshape(len(expected)).astype(bool)


def _row_differences(expected: Outputs, given: Outputs) -> Numbers:
    """Largest difference of each row, over predictions and scores."""
    rows = len(expected.predictions)
    found = np.zeros(rows)
    if expected.predictions.dtype.kind == "f":
        found = _apart(expected.predictions, given.predictions, rows)
    for wanted, got in zip(_score_list(expected), _score_list(given), strict=True):
        found = np.maximum(found, _apart(wanted, got, rows))
    return found


def _score_list(outputs: Outputs) -> list[Any]:
    if outputs.scores is None:
        return []
    return outputs.scores if isinstance(outputs.scores, list) else [outputs.scores]


def _apart(expected: Any, given: Any, rows: int) -> Numbers:
    wanted = np.asarray(expected, dtype=np.float64).reshape(rows, -1)
    got = np.asarray(given, dtype=np.float64)
    if got.size != wanted.size:
        return np.full(rows, np.inf)
    got = got.reshape(rows, -1)
    with np.errstate(invalid="ignore"):
        apart = np.abs(wanted - got) / np.maximum(1.0, np.abs(wanted))
    same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
    apart = np.where(same, 0.0, apart)
    return np.asarray(np.where(np.isnan(apart), np.inf, apart).max(axis=1, initial=0.0))


def _with_worst(
    report: TwinReport,
    is_off: npt.NDArray[np.bool_],
    wrong: npt.NDArray[np.bool_],
    off: Numbers,
    answers: tuple[Outputs, Outputs, Probes],
) -> TwinReport:
    expected, given, probes = answers
    rank = np.where(is_off, off, -1.0) + wrong * 1e9
    index = int(np.argmax(rank))
    kinds = sorted({probes.why[place] for place in np.flatnonzero(is_off)})
    label = (
        f"{report.wrong_labels} of {report.rows} labels differ; " if wrong.any() else ""
    )
    reason = (
        f"{label}{report.rows_off} of {report.rows} rows are off by up to "
        f"{report.largest_difference:.2g} (kinds of rows: {', '.join(kinds)})."
    )
    worst = Difference(
        why=probes.why[index],
        row=probes.row(index),
        expected=_shown(expected, index),
        given=_shown(given, index),
    )
    return TwinReport(
        engine="",
        variant="",
        accepted=False,
        rows=report.rows,
        wrong_labels=report.wrong_labels,
        rows_off=report.rows_off,
        largest_difference=report.largest_difference,
        reason=reason,
        worst=worst,
    )


def _shown(outputs: Outputs, index: int) -> str:
    scores = [one[index].tolist() for one in _score_list(outputs)]
    shown = f"{outputs.predictions[index]!s}"
    return f"{shown} {scores}"[:300] if scores else shown[:300]
