"""A resource from the columns of a dataset, and the task that fills its table."""

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from foretell.builder.errors import ColumnsUnfit, NameRefused
from foretell.builder.fields import Field
from foretell.builder.names import MAX_LENGTH, field_name
from foretell.builder.provision_code import literal
from foretell.builder.rendering import Files, import_block, render
from foretell.builder.resource_code import ResourcePlan

_MODULE = "foretell.builder.columns"
_SECONDS = 600
# Kind of field by type of column. A text may be of any length, so it is no `str`.
_KINDS = {
    "boolean": "bool",
    "integer": "int",
    "decimal": "decimal",
    "float": "float",
    "text": "text",
    "date": "date",
    "timestamp": "datetime",
}


@dataclass(frozen=True, slots=True)
class DatasetColumns:
    """Fields by column of a dataset.

    Attributes:
        dataset: Its name on the server.
        fields: The field of each column that can be one.
        left_out: Columns of types that no field has.
    """

    dataset: str
    fields: Mapping[str, Field]
    left_out: tuple[str, ...] = ()


def columns_of_file(path: Path) -> list[dict[str, Any]]:
    """Name, type and nullable of each column of a spreadsheet, read whole.

    Raises:
        ColumnsUnfit: It is no table that an import reads.
    """
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", _MODULE, str(path.resolve())],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ColumnsUnfit(path.name, done.stderr.strip().splitlines()[-1])
    columns: list[dict[str, Any]] = json.loads(done.stdout)
    return columns


def dataset_name(path: Path) -> str:
    """What a file is called as a dataset."""
    return re.sub(r"[^a-z0-9_-]+", "-", _plain(path.stem)).strip("-_")[:63] or "table"


def dataset_columns(
    dataset: str, columns: Iterable[Mapping[str, Any]]
) -> DatasetColumns:
    """A field for each column, of a name that a field can have.

    Raises:
        ColumnsUnfit: No column can be a field.
    """
    fields: dict[str, Field] = {}
    left_out = []
    taken: set[str] = set()
    for place, column in enumerate(columns, start=1):
        kind = _KINDS.get(column["type"])
        if kind is None:
            left_out.append(str(column["name"]))
            continue
        name = _fresh(_field_name(str(column["name"]), place), taken)
        taken.add(name)
        fields[str(column["name"])] = Field(
            name, kind, is_nullable=bool(column["nullable"])
        )
    if not fields:
        raise ColumnsUnfit(dataset, "it has no column that can be a field")
    return DatasetColumns(dataset, fields, tuple(left_out))


def loader_files(package: str, plan: ResourcePlan, source: DatasetColumns) -> Files:
    """The task that fills the table of `plan` from the dataset, and its test."""
    name = plan.name
    task = f"load_{name.plural}"
    pairs = [
        f"    {literal(column)}: {literal(field.name)},"
        for column, field in source.fields.items()
    ]
    words = {
        "package": package,
        "task": task,
        "dataset": source.dataset,
        "class_name": name.class_name,
    }
    imports = {
        "foretell.JobContext",
        "foretell.dataset_rows",
        "foretell.errors.Conflict",
        "sqlalchemy.delete",
        "sqlalchemy.select",
        f"{package}.extension.{package}",
        f"{package}.resources.{name.singular}.{name.class_name}",
    }
    tested = {
        "json:",
        "collections.abc.Awaitable",
        "collections.abc.Callable",
        "httpx2.AsyncClient",
    }
    return {
        PurePosixPath(package, "tasks", f"{task}.py"): render(
            "loader.py",
            imports=import_block(imports, package),
            pairs="\n".join(pairs),
            owner="owner_id=job.principal.user_id, " if plan.is_owned else "",
            **words,
        ),
        PurePosixPath("tests", f"test_{task}.py"): render(
            "loader_test.py",
            imports=import_block(tested),
            address=name.address,
            header=literal(list(source.fields)),
            cells=literal([_cell(field) for field in source.fields.values()]),
            types=_types(source),
            **words,
        ),
    }


def _cell(field: Field) -> str:
    value = json.loads(field.sample(1).replace("True", "true"))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _types(source: DatasetColumns) -> str:
    names = {kind: name for name, kind in _KINDS.items()}
    lines = [
        f"    {literal(column)}: {literal(names[field.kind])},"
        for column, field in source.fields.items()
    ]
    return "\n".join(lines)


def _field_name(column: str, place: int) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", _plain(column)).strip("_")[: MAX_LENGTH - 8]
    name = words.strip("_") or f"column_{place}"
    if name[0].isdigit():
        name = f"column_{name}"
    try:
        return field_name(name)
    except NameRefused:
        return field_name(f"{name}_value")


def _plain(text: str) -> str:
    """Lower case, accents gone, the words of CamelCase apart."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    letters = unicodedata.normalize("NFKD", apart.replace("ß", "ss"))
    return letters.encode("ascii", "ignore").decode().lower()


def _fresh(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
