"""Finds which columns of a pipeline's last step are straight lines over raw columns."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from foretell.models.ports import EngineSpec
from foretell.models.signature import Signature, plain_value
from foretell.plugins.engines.native import NativePredictor
from foretell.plugins.estimators.columns import steps_of, unwrapped


def lines_to(
    model: Any, signature: Signature
) -> Iterator[tuple[str, int, float, float]]:
    """Give (raw column, column of the last step, slope, offset) for each line."""
    steps = steps_of(model)
    if len(steps) < 2:
        for place, name in enumerate(signature.names):
            yield name, place, 1.0, 0.0
        return
    before = unwrapped(model)[: len(steps) - 1]
    for field in signature.inputs:
        if field.type in ("integer", "float"):
            yield from _lines_of(before, signature, field.name)


def _lines_of(
    before: Any, signature: Signature, name: str
) -> Iterator[tuple[str, int, float, float]]:
    points = [1.0, 2.0, 4.0]
    row = {field.name: plain_value(field) for field in signature.inputs}
    batch: dict[str, Any] = {key: [value] * len(points) for key, value in row.items()}
    batch[name] = points
    seen = _transformed(before, signature, batch)
    if seen is None:
        return
    slopes = seen[1] - seen[0]
    for place in np.flatnonzero(slopes):
        slope = float(slopes[place])
        if np.isclose(seen[2][place] - seen[1][place], 2 * slope, rtol=1e-9):
            yield name, int(place), slope, float(seen[0][place]) - slope


def _transformed(before: Any, signature: Signature, batch: Any) -> Any:
    spec = EngineSpec(engine="native", is_inline=False)
    is_named = getattr(before, "feature_names_in_", None) is not None
    rows = NativePredictor(before, signature, spec, is_named=is_named)._rows(batch)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = before.transform(rows)
    except Exception:  # then there are no thresholds to give, only fewer probes
        return None
    dense = out.toarray() if hasattr(out, "toarray") else np.asarray(out)
    return dense.astype(np.float64) if dense.dtype.kind in "biuf" else None
