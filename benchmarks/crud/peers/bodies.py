"""Bodies that the Pydantic peers share."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class CustomerCreate(BaseModel):
    email: str = Field(max_length=255, pattern=r"^\S+@\S+$")
    name: str = Field(max_length=255)
    city: str = Field(max_length=255)
    credit: Decimal = Field(max_digits=12, decimal_places=2)
    active: bool = True


class CustomerUpdate(BaseModel):
    version: int
    name: str | None = Field(default=None, max_length=255)
    credit: Decimal | None = Field(default=None, max_digits=12, decimal_places=2)
    active: bool | None = None


class CustomerRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    version: int
    created_at: datetime
    updated_at: datetime
    email: str
    name: str
    city: str
    credit: Decimal
    active: bool


class OrderRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    version: int
    created_at: datetime
    updated_at: datetime
    customer_id: str
    amount: Decimal
    status: str


class CustomerFull(CustomerRead):
    orders: list[OrderRead]


class CustomerPage(BaseModel):
    items: list[CustomerRead]
    next: str | None


class CustomerBatch(BaseModel):
    items: list[CustomerRead]
