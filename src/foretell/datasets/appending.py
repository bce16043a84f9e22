"""Append: a new manifest that shares the files of the version before.

What follows may be of wider or narrower types. A child (`tabular.fitting`) then writes
the narrower parts again, those of the version before too; the version before keeps its
own files, so it stays as it was.
"""

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foretell.core.columns import ColumnType
from foretell.core.ids import new_id
from foretell.core.parts import Parts
from foretell.core.scratch import Scratch
from foretell.datasets.composing import datasets_service
from foretell.datasets.contents import VersionContents
from foretell.datasets.errors import AppendMismatch, DatasetMoved
from foretell.datasets.tables import DatasetVersion
from foretell.errors import FieldError
from foretell.jobs.context import JobContext
from foretell.sandbox.pool import Sandbox
from foretell.tabular.fitting_messages import FitRequest, FitResult, FittedPart

FITTER = "foretell.tabular.fitting:fit_parts"
_TIMEOUT_SECONDS = 6 * 3600.0
_SCALARS = (
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.DECIMAL,
    ColumnType.FLOAT,
    ColumnType.DATE,
    ColumnType.TIME,
    ColumnType.TIMESTAMP,
)
_WIDER: Mapping[ColumnType, tuple[ColumnType, ...]] = {
    **dict.fromkeys(_SCALARS, (ColumnType.TEXT,)),
    ColumnType.INTEGER: (ColumnType.FLOAT, ColumnType.DECIMAL, ColumnType.TEXT),
    ColumnType.DATE: (ColumnType.TIMESTAMP, ColumnType.TEXT),
}
_NO_FIT = (
    "The columns of the appended rows do not fit the dataset; give `types` in the"
    " options, or use mode=replace."
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rows that follow a version, of the same types as its rows.

    Attributes:
        base: Number of the version that they follow.
        columns, parts: Of that version, as they are before these rows.
        widened: Its columns that are of another type now.
    """

    base: int
    columns: list[dict[str, Any]]
    parts: list[dict[str, Any]]
    more: VersionContents
    widened: dict[str, Any]

    def follows(self, other: DatasetVersion) -> bool:
        """Whether a later version only has more rows behind the same files, as when
        two append at once; what both were fitted to holds for that one too."""
        return not self.widened and other.parts[: len(self.parts)] == self.parts


def appended(
    base: DatasetVersion | None, more: VersionContents, fitted: Fitted | None = None
) -> VersionContents:
    """The contents of `base` followed by `more`.

    Args:
        fitted: What `fit` made of both.

    Raises:
        AppendMismatch: The columns differ in name, order or type; each is named.
        DatasetMoved: `base` is not the version that `more` was fitted to, nor one
            that shares its files.
    """
    if base is None:
        return more
    columns, parts = base.columns, base.parts
    if fitted is not None:
        more, columns = fitted.more, fitted.columns
        if fitted.base == base.number:
            parts = fitted.parts
        elif not fitted.follows(base):
            raise DatasetMoved
    errors = _differences(columns, more.columns)
    if errors:
        raise AppendMismatch(_NO_FIT, errors=errors)
    columns = [
        {**old, "nullable": old["nullable"] or new["nullable"]}
        for old, new in zip(columns, more.columns, strict=True)
    ]
    kept = sum(int(part["bytes"]) for part in parts)
    return VersionContents(
        columns=columns,
        rows=base.rows + more.rows,
        rejects=more.rejects,
        bytes=kept + more.bytes,
        parts=[*parts, *more.parts],
        rejects_key=more.rejects_key,
        source=more.source,
        lineage={**more.lineage, "appended_to": base.number},
    )


async def fit(
    parts: Parts,
    base: DatasetVersion | None,
    more: VersionContents,
    prefix: str,
    *,
    texts: Collection[str] = (),
) -> Fitted | None:
    """Make the rows of a version and those that follow it of one type each column.

    Args:
        prefix: Of the blobs that are written.
        texts: Columns whose stored cells may become text, because the caller says so.

    Returns:
        None where there is nothing before.

    Raises:
        AppendMismatch: The columns differ in name or order, or in types of which
            neither holds the other; each column is named.
    """
    if base is None:
        return None
    names = [column["name"] for column in base.columns]
    if names != [column["name"] for column in more.columns]:
        appended(base, more)  # says what is wrong with each
    async with AsyncExitStack() as stack:
        folder = await stack.enter_async_context(parts.port(Scratch).folder("append"))
        old = [str(await _local(stack, parts, part)) for part in base.parts]
        new = [str(await _local(stack, parts, part)) for part in more.parts]
        request = FitRequest(old, new, str(folder), list(texts))
        result = await parts.port(Sandbox).run(
            FITTER,
            request,
            FitResult,
            read=[*old, *new],
            write=[folder],
            memory_bytes=int(parts.settings.worker_memory),
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        if result.unfit:
            errors = [
                FieldError(f"/columns/{found.column}", found.message, "type")
                for found in result.unfit
            ]
            raise AppendMismatch(_NO_FIT, errors=errors)
        kept = prefix + new_id()
        old_parts = await _kept(parts, base.parts, result.old, folder, f"{kept}-before")
        new_parts = await _kept(parts, more.parts, result.new, folder, kept)
    return _fitted(base, more, result, old_parts, new_parts)


async def current(parts: Parts, dataset_id: str) -> DatasetVersion | None:
    """The version that rows would follow now."""
    async with parts.database.reading() as session:
        service = datasets_service(parts, session)
        return await service.find_current(await service.get_target(dataset_id))


def log_widened(job: JobContext, fitted: Fitted | None) -> None:
    """Say in the job's log which columns of the dataset have another type now."""
    if fitted is None or not fitted.widened:
        return
    names = ", ".join(f"{name} to {type_}" for name, type_ in fitted.widened.items())
    job.log(f"widened columns of the dataset: {names}")


async def _local(stack: AsyncExitStack, parts: Parts, part: Mapping[str, Any]) -> Path:
    return await stack.enter_async_context(parts.blobs.local(str(part["key"])))


async def _kept(
    parts: Parts,
    before: list[dict[str, Any]],
    written: list[FittedPart],
    folder: Path,
    prefix: str,
) -> list[dict[str, Any]]:
    """The parts in their order, those written again in the places of the others."""
    found: list[dict[str, Any]] = []
    for place, part in enumerate(before):
        again = [other.part for other in written if other.place == place]
        if not again:
            found.append(part)
        for other in again:
            key = f"{prefix}/{other.file}"
            await parts.blobs.put(key, folder / other.file)
            figures = {"rows": other.rows, "bytes": other.bytes, "sha256": other.sha256}
            found.append({"key": key, **figures})
    return found


def _fitted(
    base: DatasetVersion,
    more: VersionContents,
    result: FitResult,
    old: list[dict[str, Any]],
    new: list[dict[str, Any]],
) -> Fitted:
    columns = [_typed(column, result) for column in base.columns]
    widened = {
        str(after["name"]): after["type"]
        for before, after in zip(base.columns, columns, strict=True)
        if before["type"] != after["type"]
    }
    lineage = dict(more.lineage)
    if widened:
        lineage["widened"] = {**lineage.get("widened", {}), **widened}
    return Fitted(
        base.number,
        columns,
        old,
        replace(
            more,
            columns=[_typed(column, result) for column in more.columns],
            parts=new,
            bytes=sum(int(part["bytes"]) for part in new),
            lineage=lineage,
        ),
        widened,
    )


def _typed(column: dict[str, Any], result: FitResult) -> dict[str, Any]:
    """The column of a manifest in the type that its parts have now."""
    name = str(column["name"])
    found = {**column, "type": result.columns[name]}
    if "scale" in column or name in result.scales:
        found["scale"] = result.scales.get(name, 0)
    if found["type"] != ColumnType.DECIMAL:
        found.pop("scale", None)
    return found


def wider_types(
    base: list[dict[str, Any]], more: list[dict[str, Any]]
) -> dict[str, ColumnType]:
    """Return the types of the dataset that hold the cells of narrower columns.

    A file whose prices happen to be whole numbers belongs into a column of floats.
    """
    types = {str(column["name"]): ColumnType(column["type"]) for column in base}
    return {
        name: types[name]
        for name, type_ in ((str(c["name"]), ColumnType(c["type"])) for c in more)
        if name in types and types[name] in _WIDER.get(type_, ())
    }


def _differences(
    base: list[dict[str, Any]], more: list[dict[str, Any]]
) -> list[FieldError]:
    errors = []
    names = [str(column["name"]) for column in more]
    for position, column in enumerate(base):
        name = str(column["name"])
        if name not in names:
            errors.append(FieldError(f"/columns/{name}", "is missing", "missing"))
        elif more[min(position, len(more) - 1)]["name"] != name:
            errors.append(FieldError(f"/columns/{name}", "stands elsewhere", "order"))
        elif more[position]["type"] != column["type"]:
            message = f"is {more[position]['type']}, the dataset has {column['type']}"
            errors.append(FieldError(f"/columns/{name}", message, "type"))
    known = {str(column["name"]) for column in base}
    errors += [
        FieldError(f"/columns/{name}", "is not in the dataset", "extra")
        for name in names
        if name not in known
    ]
    return errors
