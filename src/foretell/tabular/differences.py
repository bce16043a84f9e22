"""What changed between two versions: rows told apart by 64-bit hashes.

Parts that both versions share, as after an append, are not read. Two different rows with
one hash among ten million have odds of about one in 400,000.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from foretell.tabular.errors import KeyNotUnique
from foretell.tabular.row_bytes import json_rows, nested_text
from foretell.tabular.stored import Parts, exactly, index_name, scan_from, schema_of

_KEY, _REST, _ROW = "key", "rest", "row"


@dataclass(frozen=True, slots=True)
class Versions:
    """Two versions of a dataset and the columns that both have with one type."""

    old: Parts
    new: Parts
    columns: Sequence[str]


def diff(versions: Versions, *, key: Sequence[str], limit: int) -> dict[str, Any]:
    """Count the rows that were added, removed, changed and kept, and show some.

    Args:
        key: Columns that say which rows are the same. Without any, rows are the same
            where all common columns are equal, and no row counts as changed.
        limit: Most rows to show of each kind.

    Raises:
        KeyNotUnique: Two rows of a version have one key.
    """
    return _by_key(versions, key, limit) if key else _by_row(versions, limit)


def _by_row(versions: Versions, limit: int) -> dict[str, Any]:
    shared = {part.path for part in versions.old} & {part.path for part in versions.new}
    is_shared = len(shared) > 0 and _same_columns(versions)
    paths = shared if is_shared else set()
    old = [part for part in versions.old if part.path not in paths]
    new = [part for part in versions.new if part.path not in paths]
    kept = sum(part.rows for part in versions.new if part.path in paths)
    counts = _joined(old, new, versions)
    added = counts.with_columns(n=pl.col("new") - pl.col("old")).filter(pl.col("n") > 0)
    removed = counts.with_columns(n=pl.col("old") - pl.col("new")).filter(
        pl.col("n") > 0
    )
    kept += int(counts.select(pl.min_horizontal("old", "new").sum()).item())
    return {
        "rows": _counted(int(added["n"].sum()), int(removed["n"].sum()), 0, kept),
        "added": _shown(new, added["row_new"], limit),
        "removed": _shown(old, removed["row_old"], limit),
        "changed": [],
    }


def _same_columns(versions: Versions) -> bool:
    """Whether both have exactly the common columns, so that equal parts are equal."""
    wanted = set(versions.columns)
    return all(set(schema_of(p)) == wanted for p in (versions.old, versions.new))


def _joined(old: Parts, new: Parts, versions: Versions) -> pl.DataFrame:
    """How often each row is there, by its hash."""
    sides = []
    casts = _casts(versions)
    for parts, name in ((old, "old"), (new, "new")):
        hashed = _hashed(parts, {_KEY: versions.columns}, casts)
        grouped = hashed.group_by(_KEY).agg(
            pl.len().cast(pl.Int64).alias(name), pl.col(_ROW).min().alias(f"row_{name}")
        )
        sides.append(grouped)
    joined = sides[0].join(sides[1], on=_KEY, how="full", coalesce=True)
    return joined.with_columns(pl.col("old", "new").fill_null(0)).collect(
        engine="streaming"
    )


def _by_key(versions: Versions, key: Sequence[str], limit: int) -> dict[str, Any]:
    rest = [name for name in versions.columns if name not in key]
    casts = _casts(versions)
    sides = [
        _hashed(parts, {_KEY: key, _REST: rest}, casts).collect(engine="streaming")
        for parts in (versions.old, versions.new)
    ]
    for side, name in zip(sides, ("from", "to"), strict=True):
        if side[_KEY].n_unique() != side.height:
            raise KeyNotUnique(list(key), name)
    old, new = sides
    both = old.join(new, on=_KEY, suffix="_new")
    changed = both.filter(pl.col(_REST) != pl.col(f"{_REST}_new"))
    added = new.join(old, on=_KEY, how="anti")
    removed = old.join(new, on=_KEY, how="anti")
    return {
        "rows": _counted(
            added.height, removed.height, changed.height, both.height - changed.height
        ),
        "added": _shown(versions.new, added[_ROW], limit),
        "removed": _shown(versions.old, removed[_ROW], limit),
        "changed": _changes(versions, key, changed.sort(_ROW).head(limit)),
    }


def _counted(added: int, removed: int, changed: int, unchanged: int) -> dict[str, int]:
    return {
        "added": added,
        "removed": removed,
        "changed": changed,
        "unchanged": unchanged,
    }


def _casts(versions: Versions) -> dict[str, pl.Expr]:
    """Columns as they are compared: as text where they are stored in two ways."""
    old, new = schema_of(versions.old), schema_of(versions.new)
    found = {}
    for name in versions.columns:
        cell = exactly(name)
        if old[name].is_nested():
            cell = nested_text(name)
        elif old[name] != new[name]:
            cell = cell.cast(pl.String)
        found[name] = cell
    return found


def _hashed(
    parts: Parts, groups: Mapping[str, Sequence[str]], casts: Mapping[str, pl.Expr]
) -> pl.LazyFrame:
    """The row numbers of parts with a hash of each group of columns."""
    if not parts:
        none = dict.fromkeys(groups, pl.UInt64)
        return pl.LazyFrame(schema={**none, _ROW: pl.UInt32})
    index = index_name(schema_of(parts))
    hashes = [
        (
            pl.struct(casts[name].alias(str(n)) for n, name in enumerate(names))
            .hash()
            .alias(group)
            if names
            else pl.lit(0, pl.UInt64).alias(group)
        )
        for group, names in groups.items()
    ]
    return scan_from(parts, 0, index).select(*hashes, pl.col(index).alias(_ROW))


def _rows_at(parts: Parts, rows: pl.Series) -> pl.DataFrame:
    index = index_name(schema_of(parts))
    wanted = rows.cast(pl.UInt32).implode()
    scan = scan_from(parts, 0, index).filter(
        pl.col(index).cast(pl.UInt32).is_in(wanted)
    )
    return scan.collect(engine="streaming").sort(index).drop(index)


def _shown(parts: Parts, rows: pl.Series, limit: int) -> list[dict[str, Any]]:
    if not len(rows) or not limit:
        return []
    frame = _rows_at(parts, rows.sort().head(limit))
    shown: list[dict[str, Any]] = msgspec.json.decode(json_rows(frame))
    return shown


def _changes(
    versions: Versions, key: Sequence[str], changed: pl.DataFrame
) -> list[dict[str, Any]]:
    """Rows with one key and other cells: the cells that differ, before and after."""
    by_key: dict[bytes, list[dict[str, Any]]] = {}
    for parts, rows in (
        (versions.old, changed[_ROW]),
        (versions.new, changed[f"{_ROW}_new"]),
    ):
        for row in _shown(parts, rows, len(rows)):
            name = msgspec.json.encode([row[column] for column in key])
            by_key.setdefault(name, []).append(row)
    return [
        _change(key, versions.columns, *pair)
        for pair in by_key.values()
        if len(pair) == 2
    ]


def _change(
    key: Sequence[str],
    columns: Sequence[str],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
) -> dict[str, Any]:
    differing = [name for name in columns if old[name] != new[name]]
    return {
        "key": {name: old[name] for name in key},
        "before": {name: old[name] for name in differing},
        "after": {name: new[name] for name in differing},
    }
