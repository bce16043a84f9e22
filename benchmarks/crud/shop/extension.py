"""The two tables of the benchmark as resources."""

import os
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foretell import Extension
from foretell.resources.hooks import Change, ResourceHooks
from foretell.resources.model import Resource

shop = Extension("shop")


class Customer(Resource):
    __table_args__ = (Index("ix_customers_city_id", "city", "id"),)

    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    city: Mapped[str]
    credit: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    active: Mapped[bool] = mapped_column(default=True)
    orders: Mapped[list["Order"]] = relationship(
        order_by="Order.id.desc()", viewonly=True
    )


class Order(Resource):
    __table_args__ = (Index("ix_orders_customer_id_id", "customer_id", "id"),)

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=False)
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    status: Mapped[str]


class OneSpelling(ResourceHooks):
    """What a user's own code might do before a write."""

    async def before_create(self, change: Change) -> None:
        change.values["email"] = change.values["email"].lower()

    async def before_update(self, change: Change) -> None:
        if "email" in change.values:
            change.values["email"] = change.values["email"].lower()


hooks = OneSpelling if os.environ.get("BENCH_HOOKS") else None
shop.resource(Customer, expand={"orders": 10}, hooks=hooks)
shop.resource(Order)
