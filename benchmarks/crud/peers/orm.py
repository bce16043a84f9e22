"""FastAPI with the SQLAlchemy async ORM, as written by hand: one session a request,
committed before the answer, Pydantic out."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from .bodies import (
    CustomerBatch,
    CustomerCreate,
    CustomerFull,
    CustomerPage,
    CustomerRead,
    CustomerUpdate,
    OrderRead,
)
from .mapped import Customer, Order, make_sessions

app = FastAPI()
sessions = make_sessions()


async def open_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session, session.begin():
        yield session


SessionDep = Annotated[AsyncSession, Depends(open_session, scope="function")]


class NewCustomers(CustomerBatch):
    items: list[CustomerCreate]  # type: ignore[assignment]


async def find(session: AsyncSession, customer_id: str) -> Customer:
    customer = await session.get(Customer, customer_id)
    if customer is None:
        raise HTTPException(404, "not found")
    return customer


async def save(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(409, "taken") from error


@app.get("/customers", response_model=CustomerPage)
async def list_customers(
    session: SessionDep, city: str, limit: int = 20, cursor: str | None = None
) -> dict:
    statement = select(Customer).where(Customer.city == city)
    if cursor is not None:
        statement = statement.where(Customer.id > cursor)
    found = await session.scalars(statement.order_by(Customer.id).limit(limit))
    items = list(found)
    return {"items": items, "next": items[-1].id if items else None}


@app.get("/customers/{customer_id}", response_model=CustomerRead)
async def get_customer(session: SessionDep, customer_id: str) -> Customer:
    return await find(session, customer_id)


@app.get("/customers/{customer_id}/full")
async def get_full(session: SessionDep, customer_id: str) -> CustomerFull:
    customer = await find(session, customer_id)
    orders = await session.scalars(
        select(Order)
        .where(Order.customer_id == customer_id)
        .order_by(Order.id.desc())
        .limit(10)
    )
    return CustomerFull(
        **CustomerRead.model_validate(customer).model_dump(),
        orders=[OrderRead.model_validate(order) for order in orders],
    )


@app.post("/customers", status_code=201, response_model=CustomerRead)
async def create_customer(session: SessionDep, body: CustomerCreate) -> Customer:
    customer = Customer(**body.model_dump())
    session.add(customer)
    await save(session)
    await session.refresh(customer)
    return customer


@app.patch("/customers/{customer_id}", response_model=CustomerRead)
async def patch_customer(
    session: SessionDep, customer_id: str, body: CustomerUpdate
) -> Customer:
    customer = await session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        raise HTTPException(404, "not found")
    if customer.version != body.version:
        raise HTTPException(409, "stale")
    changes = body.model_dump(exclude_unset=True, exclude={"version"})
    for name, value in changes.items():
        setattr(customer, name, value)
    customer.version += 1
    await save(session)
    await session.refresh(customer)
    return customer


@app.post("/customers/bulk", status_code=201, response_model=CustomerBatch)
async def create_many(session: SessionDep, body: NewCustomers) -> dict:
    items = [Customer(**item.model_dump()) for item in body.items]
    session.add_all(items)
    await save(session)
    return {"items": items}
