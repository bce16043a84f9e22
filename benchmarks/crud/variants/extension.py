"""Customers whose rows belong to somebody, and customers whose changes are logged."""

from decimal import Decimal

from sqlalchemy import Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from foretell import Extension
from foretell.resources.model import Resource

variants = Extension("variants")


class OwnedCustomer(Resource):
    __table_args__ = (Index("ix_owned_customers_city_id", "city", "id"),)

    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    city: Mapped[str]
    credit: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    active: Mapped[bool] = mapped_column(default=True)


class AuditedCustomer(Resource):
    __table_args__ = (Index("ix_audited_customers_city_id", "city", "id"),)

    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    city: Mapped[str]
    credit: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    active: Mapped[bool] = mapped_column(default=True)


variants.resource(OwnedCustomer, owned=True)
variants.resource(AuditedCustomer, audit=True)
