"""Models of SQLAlchemy, Django and Tortoise arrive typed."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import DateTime, LargeBinary, Numeric
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tortoise import Tortoise, fields
from tortoise.models import Model

from foretell.connections.sources import ModelSource, sqlalchemy_source, tortoise_source
from foretell.core.columns import ColumnType

FEW = 23
MANY = pytest.param(5_000, marks=pytest.mark.slow)
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    name: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(DateTime())
    raw: Mapped[bytes] = mapped_column(LargeBinary)


class Item(Model):
    id = fields.IntField(primary_key=True)
    price = fields.DecimalField(max_digits=10, decimal_places=2)
    name = fields.CharField(max_length=50, null=True)
    ok = fields.BooleanField()
    at = fields.DatetimeField()
    day = fields.DateField()
    length = fields.TimeDeltaField()
    more: Any = fields.JSONField()

    class Meta:
        table = "items"


async def read(source: ModelSource) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for chunk in source.reading(10).chunks:
        assert len(chunk) <= 10
        found += [dict(row) for row in chunk]
    return found


def types(source: ModelSource) -> dict[str, str]:
    return {column.name: str(column.type) for column in source.columns}


async def test_a_sqlalchemy_model_is_a_source(tmp_path: Path):
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions.begin() as session:
        for n in range(FEW):
            at = AT.replace(tzinfo=None)
            session.add(Thing(id=n, price=Decimal("1.50"), at=at, raw=b"\x00"))
    source = sqlalchemy_source(Thing, sessions)
    assert types(source) == {
        "id": "integer",
        "price": "decimal",
        "name": "text",
        "at": "timestamp",
        "raw": "binary",
    }
    assert {c.name: c.scale for c in source.columns}["price"] == 2
    rows = await read(source)
    assert [row["id"] for row in rows] == list(range(FEW))
    assert rows[0]["price"] == Decimal("1.50")
    await engine.dispose()


@pytest.fixture
async def tortoise(tmp_path: Path) -> AsyncIterator[None]:
    await Tortoise.init(
        db_url=f"sqlite://{tmp_path / 'tortoise.db'}", modules={"models": [__name__]}
    )
    await Tortoise.generate_schemas()
    yield
    await Tortoise.close_connections()


@pytest.mark.parametrize("rows", [FEW, MANY])
async def test_a_tortoise_model_is_a_source(tortoise: None, rows: int):
    await Item.bulk_create(
        [
            Item(
                id=n + 1,
                price=Decimal("1.50"),
                ok=True,
                at=AT,
                day=AT.date(),
                length=timedelta(seconds=n),
                more={"n": n},
            )
            for n in range(rows)
        ],
        batch_size=500,
    )
    source = tortoise_source(Item)
    assert types(source) == {
        "id": "integer",
        "price": "decimal",
        "name": "text",
        "ok": "boolean",
        "at": "timestamp",
        "day": "date",
        "length": "duration",
        "more": "text",
    }
    found = await read(source)
    assert [row["id"] for row in found] == list(range(1, rows + 1))
    last = found[-1]
    assert (last["price"], last["at"]) == (Decimal("1.50"), AT)
    assert last["length"] == timedelta(seconds=rows - 1)


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


# Django is set up once a process, so it has one of its own.
DJANGO = """
import asyncio, datetime, decimal, sys, uuid
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=[], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.db import connection, models

class Author(models.Model):
    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    class Meta:
        app_label = "shop"

class Order(models.Model):
    price = models.DecimalField(max_digits=10, decimal_places=2)
    name = models.CharField(max_length=20, null=True)
    ok = models.BooleanField()
    at = models.DateTimeField()
    day = models.DateField()
    length = models.DurationField()
    more = models.JSONField()
    raw = models.BinaryField()
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    class Meta:
        app_label = "shop"

with connection.schema_editor() as editor:
    editor.create_model(Author)
    editor.create_model(Order)
author, rows = Author.objects.create(), int(sys.argv[2])
at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
Order.objects.bulk_create([
    Order(price=decimal.Decimal("1.50"), ok=True, at=at, day=at.date(), more={"n": n},
          length=datetime.timedelta(seconds=n), raw=b"\\x00", author=author)
    for n in range(rows)
], batch_size=500)

from foretell.connections.sources import django_source
from foretell.connections.spooling import RowSpool

async def read(source):
    spool = RowSpool(source.columns)
    async for chunk in source.reading(100).chunks:
        assert len(chunk) <= 100
        spool.lines(chunk)
    return spool

source = django_source(Order)
spool = asyncio.run(read(source))
print(source.label, spool.rows)
for column in spool.columns:
    found = column.column()
    print(found.name, found.type, found.scale, column.findings())
"""


@pytest.mark.parametrize("rows", [FEW, MANY])
async def test_a_django_model_is_a_source(tmp_path: Path, rows: int):
    command = [sys.executable, "-c", DJANGO, str(tmp_path / "django.db"), str(rows)]
    done = await asyncio.to_thread(run, command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"shop.Order {rows}",
        f"id {ColumnType.INTEGER} 0 []",
        "price decimal 2 []",
        "name text 0 []",
        "ok boolean 0 []",
        "at timestamp 0 []",
        "day date 0 []",
        "length duration 0 []",
        "more text 0 []",
        "raw binary 0 []",
        "author_id text 0 []",
    ]
