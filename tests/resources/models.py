"""The resources that the tests serve."""

import enum
import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foretell.core.db import Base, table_options
from foretell.resources.describing import describe
from foretell.resources.model import Resource


class City(Resource):
    """A counted key."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    customers: Mapped[list["Customer"]] = relationship(
        back_populates="city", order_by="Customer.age"
    )


class Customer(Resource):
    """The usual: a UUIDv7, a unique column, a reference, children."""

    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(60))
    age: Mapped[int | None] = mapped_column(index=True)
    balance: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal("0.00"))
    city_id: Mapped[int | None] = mapped_column(ForeignKey("cities.id"))
    password: Mapped[str | None] = mapped_column(info={"write_only": True})
    city: Mapped[City | None] = relationship(back_populates="customers")
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")


class Order(Resource):
    """Somebody's own rows, that refer to others."""

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    total: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    note: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[Customer] = relationship(back_populates="orders")


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "dark-green"


class Everything(Resource):
    """One column of each kind, under a key that the maker names."""

    __tablename__ = "everything"
    __table_args__ = table_options(CheckConstraint("i <> 13", name="lucky"))

    id: Mapped[str] = mapped_column(String(20), primary_key=True, default=None)
    b: Mapped[bool | None]
    i: Mapped[int | None] = mapped_column(index=True)
    j: Mapped[int | None]
    x: Mapped[float | None]
    p: Mapped[Decimal | None] = mapped_column(Numeric(15, 4))
    s: Mapped[str | None] = mapped_column(String(200), index=True)
    long: Mapped[str | None] = mapped_column(Text)
    d: Mapped[date | None]
    c: Mapped[time | None]
    t: Mapped[datetime | None]
    u: Mapped[uuid.UUID | None] = mapped_column(index=True)
    e: Mapped[Colour | None]
    tags: Mapped[dict[str, Any] | None]


class Note(Resource):
    """Somebody's own rows, that all may read without a credential."""

    text: Mapped[str] = mapped_column(String(100))


class Gadget(Resource):
    """A UUID key."""

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(10))


class Word(Resource):
    """Columns with names that statements could have for their parameters."""

    key: Mapped[str] = mapped_column(String(20), index=True)
    keys: Mapped[int]
    owner: Mapped[str | None] = mapped_column(String(20), index=True)
    take: Mapped[int | None]
    set_key: Mapped[str | None] = mapped_column(String(20))
    after_0: Mapped[int | None]
    limit: Mapped[int | None]


cities = describe(City)
customers = describe(Customer, expand={"orders": 3, "city": 1})
orders = describe(Order, owned=True)
everything = describe(Everything)
notes = describe(Note, owned=True, public=("read",))
gadgets = describe(Gadget)
words = describe(Word, owned=True)

DESCRIPTIONS = (cities, customers, orders, everything, notes, gadgets, words)
TABLES: tuple[Table, ...] = tuple(d.table for d in DESCRIPTIONS)

# Foretell's own schema is compared with the metadata by other tests.
for table in TABLES:
    for key in table.foreign_keys:
        assert key.column is not None
for table in TABLES:
    Base.metadata.remove(table)
