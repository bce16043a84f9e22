"""A batch cut into shards: every group once, in order, asked as without shards."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretell.predictions import scoring
from foretell.predictions.batch_messages import GROUP_ROWS, ScoreRequest
from foretell.predictions.scoring import score
from foretell.predictions.sharding import (
    MAX_SHARDS,
    overlapping,
    shard_rows,
    shards_of,
)
from tests.models.application import IRIS, Trained
from tests.predictions.test_host import version

MOST_CUTS = 4
FRAME = pl.DataFrame(IRIS.data.to_dict("list")).with_columns(id=pl.int_range(pl.len()))


@given(rows=st.integers(0, 10**12), each=st.integers(1, 10**6))
def test_shards_take_every_row_once_and_are_not_too_many(rows: int, each: int):
    found = shards_of(rows, each * GROUP_ROWS)
    assert 1 <= len(found) <= MAX_SHARDS
    assert found[0].start == 0
    assert found[-1].start < max(rows, 1) <= found[-1].stop
    assert all(a.stop == b.start for a, b in pairwise(found))


@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=8),
    start=st.integers(0, 300),
    size=st.integers(1, 100),
)
def test_a_shard_opens_the_parts_that_hold_its_rows(sizes, start, size):
    parts = [{"key": n, "rows": rows} for n, rows in enumerate(sizes)]
    before, found = overlapping(parts, range(start, start + size))
    rows = [(n, row) for n, count in enumerate(sizes) for row in range(count)]
    wanted = {n for n, _ in rows[start : start + size]}
    keys = [part["key"] for part in found]
    assert wanted <= set(keys)
    assert keys == list(range(keys[0], keys[-1] + 1)) if keys else not wanted
    if found:
        assert before == sum(sizes[: found[0]["key"]])


def test_a_shard_is_some_seconds_of_work(tmp_path: Path, forest: Trained):
    cheap = version(tmp_path, forest)
    assert shard_rows(cheap, None) == round(1e6 / GROUP_ROWS) * GROUP_ROWS
    assert shard_rows(cheap, 1) == GROUP_ROWS
    assert shard_rows(cheap, 70_000) == 2 * GROUP_ROWS


@given(
    group=st.integers(3, 60),
    cuts=st.sets(st.integers(0, FRAME.height), max_size=MOST_CUTS),
    row_groups=st.tuples(*[st.integers(1, 80)] * (MOST_CUTS + 1)),
    step=st.integers(1, 200),
)
# Rows that were appended to a version without any: its part is empty.
@example(group=3, cuts={0, 1}, row_groups=(1,) * (MOST_CUTS + 1), step=1)
@settings(max_examples=25, deadline=None)
def test_shards_together_are_the_whole_to_the_last_bit(
    forest: Trained,
    group: int,
    cuts: set[int],
    row_groups: tuple[int, ...],
    step: int,
):
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patched:
        patched.setattr(scoring, "GROUP_ROWS", group)
        folder = Path(place)
        parts = _written(folder, sorted(cuts), row_groups)
        whole, asked = _scored(folder / "whole", forest, parts, range(FRAME.height + 1))
        assert whole.drop("prediction", r"^probability_.*$").equals(FRAME)
        shards, asked_apart = [], []
        for start in range(0, FRAME.height, step):
            rows = range(start, start + step)
            made, calls = _scored(folder / f"s{start}", forest, parts, rows)
            shards.append(made)
            asked_apart += calls
    together = pl.concat([s for s in shards if s is not None])
    assert asked_apart == asked
    assert together.equals(whole, null_equal=True)
    for name in whole.columns[5:]:
        assert together[name].to_numpy().tobytes() == whole[name].to_numpy().tobytes()


def _written(
    folder: Path, cuts: list[int], row_groups: tuple[int, ...]
) -> list[dict[str, Any]]:
    """The frame as parts, cut at these rows, each with row groups of its own size."""
    parts = []
    ends = zip([0, *cuts], [*cuts, FRAME.height], row_groups, strict=False)
    for number, (start, stop, rows) in enumerate(ends):
        path = folder / f"{number}.parquet"
        FRAME[start:stop].write_parquet(path, row_group_size=rows)
        parts.append({"key": str(path), "rows": stop - start})
    return parts


def _scored(
    output: Path, trained: Trained, parts: list[dict[str, Any]], rows: range
) -> tuple[Any, list[int]]:
    """The rows of a shard, `None` for none, and how many each call asked for."""
    assert trained.twin is not None
    assert trained.result.twin is not None
    output.mkdir()
    (output / "twin").write_bytes(trained.twin)
    before, stored = overlapping(parts, rows)
    reported: list[int] = [0]
    result = score(
        ScoreRequest(
            parts=[part["key"] for part in stored],
            keep=FRAME.columns,
            output=str(output),
            flavour="sklearn",
            path=str(output / "twin"),
            sha256=trained.result.twin.sha256,
            is_native=False,
            spec=trained.result.spec,
            signature=trained.result.signature,
            before=before,
            start=rows.start,
            stop=rows.stop,
        ),
        lambda progress: reported.append(progress.rows),  # type: ignore[attr-defined]
    )
    assert result.rows == reported[-1]
    files = [pl.read_parquet(output / part.file) for part in result.parts]
    return (pl.concat(files) if files else None), np.diff(reported).tolist()
