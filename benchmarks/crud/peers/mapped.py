"""The two tables as SQLAlchemy classes, and an engine of ten connections."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Numeric,
    String,
    TypeDecorator,
)
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from .ids import new_id

Moment = DateTime(timezone=True).with_variant(DATETIME(fsp=6), "mysql", "mariadb")


class Hundredths(TypeDecorator[Decimal]):
    """How the tables hold a decimal on SQLite."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)


Money = Numeric(12, 2).with_variant(Hundredths(), "sqlite")


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: Moment, str: String(255)}


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = (Index("ix_customers_city_id", "city", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    city: Mapped[str]
    credit: Mapped[Decimal] = mapped_column(Money)
    active: Mapped[bool]
    orders: Mapped[list["Order"]] = relationship(lazy="raise", viewonly=True)


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = (Index("ix_orders_customer_id_id", "customer_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    amount: Mapped[Decimal] = mapped_column(Money)
    status: Mapped[str]


def database_url() -> str:
    return os.environ["BENCH_DATABASE_URL"]


def make_engine() -> AsyncEngine:
    options: dict[str, Any] = {}
    if not database_url().startswith("sqlite"):
        options = {"pool_size": 10, "max_overflow": 0}
    return create_async_engine(database_url(), **options)


def make_sessions() -> async_sessionmaker[Any]:
    return async_sessionmaker(make_engine(), expire_on_commit=False)
