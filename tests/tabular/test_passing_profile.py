"""What is gathered while rows pass equals what reading them again would tell."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.tabular import passing_profile
from foretell.tabular.correlations import correlations
from foretell.tabular.passing_profile import PassingProfile
from foretell.tabular.profiling import Profile, profile
from foretell.tabular.stored import StoredPart

CELLS: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.Int64(): st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    pl.Float64(): st.floats(allow_subnormal=False),
    pl.Decimal(38, 2): st.integers(-(10**20), 10**20).map(lambda n: Decimal(n) / 100),
    pl.Boolean(): st.booleans(),
    pl.String(): st.text(max_size=3) | st.sampled_from(["a", "b"]),
    pl.Date(): st.dates(),
    pl.Time(): st.times(),
    pl.Datetime("us"): st.datetimes(),
    pl.Datetime("us", "UTC"): st.datetimes(
        dt.datetime.fromisoformat("0001-01-03"),
        dt.datetime.fromisoformat("9999-12-30"),
        timezones=st.just(dt.UTC),
    ),
    pl.Binary(): st.binary(max_size=3),
}


@st.composite
def blocks(draw) -> list[pl.DataFrame]:
    """Some blocks of rows of one table."""
    dtypes = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=4))
    rows = st.tuples(*(st.none() | CELLS[dtype] for dtype in dtypes))
    schema = {f"*{n}": dtype for n, dtype in enumerate(dtypes)}
    return [
        pl.DataFrame(draw(st.lists(rows, max_size=12)), schema=schema, orient="row")
        for _ in range(draw(st.integers(1, 4)))
    ]


def passed(folder: Path, frames: list[pl.DataFrame]) -> tuple[dict[str, Any], Path]:
    path = folder / "part.parquet"
    pl.concat(frames).write_parquet(path)
    run = PassingProfile(folder)
    for frame in frames:
        run.add(frame)
    found = run.finish(frames[0].clear(), [path])
    assert found is not None
    return msgspec.json.decode(found), path


def near(value: float | None) -> object:
    return value if value is None else pytest.approx(value, rel=1e-6, abs=1e-300)


def without_top(column: dict[str, Any]) -> dict[str, Any]:
    left_out = ("top", "mean", "std")
    return {name: value for name, value in column.items() if name not in left_out}


@given(frames=blocks(), kept=st.sampled_from([1, 3, 100]))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_profile_gathered_in_passing_is_the_one_of_the_stored_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames, kept
):
    with monkeypatch.context() as patched:
        patched.setattr(passing_profile, "_KEPT_VALUES", kept)
        patched.setattr(passing_profile, "_JUDGED_ROWS", kept)
        found, path = passed(tmp_path, frames)
    rows = sum(frame.height for frame in frames)
    read = profile([StoredPart(path=str(path), rows=rows)])
    assert found["rows"] == rows
    table = pl.concat(frames)
    for mine, theirs in zip(found["columns"], plain(read)["columns"], strict=True):
        assert without_top(mine) == without_top(theirs)
        for name in ("mean", "std"):
            assert mine[name] == near(theirs[name])
        if theirs["top"] is None:
            assert mine["top"] is None
            continue
        # Which of several equally frequent values are shown is open.
        assert [t["count"] for t in mine["top"]] == [t["count"] for t in theirs["top"]]
        cells = table[mine["name"]].to_list()
        assert all(cells.count(t["value"]) == t["count"] for t in mine["top"])


def plain(found: Profile) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return decoded


def test_values_too_many_to_keep_are_counted_by_their_hashes(tmp_path: Path):
    frames = [
        pl.DataFrame({"t": [f"{n}" for n in range(at, at + 3000)] + ["often"] * 7})
        for at in (0, 2000, 4000)
    ]
    found, _ = passed(tmp_path, frames)
    column = found["columns"][0]
    assert column["distinct"] == 7001
    assert column["top"][0] == {"value": "often", "count": 21}
    assert column["top"][1]["count"] == 2


def test_related_columns_are_found_in_passing(tmp_path: Path):
    frames = [
        pl.DataFrame({"a": range(at, at + 50), "b": [-2.0 * n for n in range(50)]})
        for at in (0, 50)
    ]
    found, path = passed(tmp_path, frames)
    read = correlations([StoredPart(path=str(path), rows=100)], ["a", "b"])
    assert found["correlations"]["columns"] == read["columns"]
    for mine, theirs in zip(
        found["correlations"]["values"], read["values"], strict=True
    ):
        assert mine == pytest.approx(theirs)


def test_a_table_of_very_many_columns_is_not_described_in_passing(tmp_path: Path):
    frame = pl.DataFrame({f"c{n}": [1] for n in range(1001)})
    run = PassingProfile(tmp_path)
    run.add(frame)
    assert run.finish(frame.clear(), []) is None
