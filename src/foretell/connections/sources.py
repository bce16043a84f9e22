"""Models of other libraries as sources: their rows, typed by the model's columns.

For tasks of an extension (`foretell.datasets.from_models.import_model`). The libraries
are imported when a source is made and not before; connections to the model's database
are the application's own.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from foretell.core.columns import ColumnType
from foretell.core.connectors import Chunk, ForeignColumn, Reading

_BY_PYTHON: Mapping[type, ColumnType] = {
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    float: ColumnType.FLOAT,
    Decimal: ColumnType.DECIMAL,
    datetime: ColumnType.TIMESTAMP,
    date: ColumnType.DATE,
    time: ColumnType.TIME,
    timedelta: ColumnType.DURATION,
    bytes: ColumnType.BINARY,
}
_BY_DJANGO: Mapping[str, ColumnType] = {
    "BooleanField": ColumnType.BOOLEAN,
    "AutoField": ColumnType.INTEGER,
    "BigAutoField": ColumnType.INTEGER,
    "SmallAutoField": ColumnType.INTEGER,
    "IntegerField": ColumnType.INTEGER,
    "BigIntegerField": ColumnType.INTEGER,
    "SmallIntegerField": ColumnType.INTEGER,
    "PositiveIntegerField": ColumnType.INTEGER,
    "PositiveBigIntegerField": ColumnType.INTEGER,
    "PositiveSmallIntegerField": ColumnType.INTEGER,
    "DecimalField": ColumnType.DECIMAL,
    "FloatField": ColumnType.FLOAT,
    "DateField": ColumnType.DATE,
    "TimeField": ColumnType.TIME,
    "DateTimeField": ColumnType.TIMESTAMP,
    "DurationField": ColumnType.DURATION,
    "BinaryField": ColumnType.BINARY,
}


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The rows of a model of another library.

    Attributes:
        kind: Which library: `sqlalchemy`, `django` or `tortoise`.
        label: The model's name, for lineage.
    """

    kind: str
    label: str
    columns: tuple[ForeignColumn, ...]
    chunks: Callable[[int], AsyncIterator[Chunk]]

    def reading(self, rows: int) -> Reading:
        """All rows, at most `rows` in a chunk."""
        return Reading(self.columns, self.chunks(rows))


def sqlalchemy_source(model: Any, sessions: Callable[[], Any]) -> ModelSource:
    """A declarative model (or `Table`).

    Args:
        sessions: Opens an `AsyncSession`, such as an `async_sessionmaker`.
    """
    from sqlalchemy import Table, select

    table = model if isinstance(model, Table) else model.__table__
    columns = [_of_sqlalchemy(column) for column in table.columns]

    async def chunks(rows: int) -> AsyncIterator[Chunk]:
        async with sessions() as session:
            found = await session.stream(
                select(*table.columns).execution_options(yield_per=rows)
            )
            async for part in found.partitions(rows):
                yield [dict(row._mapping) for row in part]

    return ModelSource("sqlalchemy", table.name, tuple(columns), chunks)


def _of_sqlalchemy(column: Any) -> ForeignColumn:
    try:
        python_type = column.type.python_type
    except NotImplementedError:
        python_type = str
    type_ = _BY_PYTHON.get(python_type, ColumnType.TEXT)
    scale = getattr(column.type, "scale", None) if type_ is ColumnType.DECIMAL else None
    is_zoned = bool(getattr(column.type, "timezone", True))
    return ForeignColumn(column.name, type_, scale, is_zoned)


def django_source(model: Any) -> ModelSource:
    """A Django model, or a query set of one. Rows come by `aiterator`."""
    from django.conf import settings

    query = model.objects.all() if hasattr(model, "objects") else model
    fields = query.model._meta.concrete_fields
    columns = [_of_django(field, is_zoned=settings.USE_TZ) for field in fields]
    names = [column.name for column in columns]

    async def chunks(rows: int) -> AsyncIterator[Chunk]:
        chunk: list[Mapping[str, Any]] = []
        async for row in query.values(*names).aiterator(chunk_size=rows):
            chunk.append(row)
            if len(chunk) == rows:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    return ModelSource("django", query.model._meta.label, tuple(columns), chunks)


def _of_django(field: Any, *, is_zoned: bool) -> ForeignColumn:
    own = field
    while own.remote_field is not None:  # a foreign key is of its target's type
        own = own.target_field
    type_ = _BY_DJANGO.get(own.get_internal_type(), ColumnType.TEXT)
    return ForeignColumn(
        field.attname, type_, getattr(own, "decimal_places", None), is_zoned
    )


def tortoise_source(model: Any) -> ModelSource:
    """A Tortoise model, or a query set of one. Rows come by pages along the key."""
    given: Any = model
    query = given.all() if isinstance(model, type) else given
    described = query.model.describe(serializable=False)
    fields = [described["pk_field"], *described["data_fields"]]
    own = query.model._meta.fields_map
    columns = [_of_tortoise(field, own[field["name"]]) for field in fields]
    names = [column.name for column in columns]
    key = names[0]

    async def chunks(rows: int) -> AsyncIterator[Chunk]:
        last = None
        while True:
            page = query if last is None else query.filter(**{f"{key}__gt": last})
            found = await page.order_by(key).limit(rows).values(*names)
            if found:
                yield found
            if len(found) < rows:
                return
            last = found[-1][key]

    return ModelSource("tortoise", described["name"], tuple(columns), chunks)


def _of_tortoise(field: Mapping[str, Any], own: Any) -> ForeignColumn:
    python_type = field["python_type"]
    is_type = isinstance(python_type, type)
    found = [t for t in _BY_PYTHON if is_type and issubclass(python_type, t)]
    type_ = _BY_PYTHON[found[0]] if found else ColumnType.TEXT
    return ForeignColumn(field["name"], type_, getattr(own, "decimal_places", None))
