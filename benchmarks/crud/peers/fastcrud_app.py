"""FastCRUD's methods inside FastAPI routes."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastcrud import FastCRUD
from sqlalchemy.exc import IntegrityError, NoResultFound
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
customers: FastCRUD = FastCRUD(Customer)
orders: FastCRUD = FastCRUD(Order)


async def open_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(open_session, scope="function")]


class NewCustomers(CustomerBatch):
    items: list[CustomerCreate]  # type: ignore[assignment]


@app.get("/customers", response_model=CustomerPage)
async def list_customers(
    session: SessionDep, city: str, limit: int = 20, cursor: str | None = None
) -> dict:
    page = await customers.get_multi_by_cursor(
        session, cursor, limit, schema_to_select=CustomerRead, city=city
    )
    return {"items": page["data"], "next": page["next_cursor"]}


@app.get("/customers/{customer_id}", response_model=CustomerRead)
async def get_customer(session: SessionDep, customer_id: str) -> Any:
    found = await customers.get(session, schema_to_select=CustomerRead, id=customer_id)
    if found is None:
        raise HTTPException(404, "not found")
    return found


@app.get("/customers/{customer_id}/full", response_model=CustomerFull)
async def get_full(session: SessionDep, customer_id: str) -> dict:
    found = await get_customer(session, customer_id)
    last = await orders.get_multi(
        session,
        limit=10,
        schema_to_select=OrderRead,
        sort_columns="id",
        sort_orders="desc",
        return_total_count=False,
        customer_id=customer_id,
    )
    return {**found, "orders": last["data"]}


@app.post("/customers", status_code=201, response_model=CustomerRead)
async def create_customer(session: SessionDep, body: CustomerCreate) -> Any:
    try:
        return await customers.create(session, body, schema_to_select=CustomerRead)
    except IntegrityError as error:
        raise HTTPException(409, "taken") from error


@app.patch("/customers/{customer_id}", response_model=CustomerRead)
async def patch_customer(
    session: SessionDep, customer_id: str, body: CustomerUpdate
) -> Any:
    changes = body.model_dump(exclude_unset=True, exclude={"version"})
    changes["version"] = body.version + 1
    try:
        return await customers.update(
            session,
            changes,
            return_columns=list(CustomerRead.model_fields),
            id=customer_id,
            version=body.version,
        )
    except NoResultFound as error:
        exists = await customers.exists(session, id=customer_id)
        raise HTTPException(409 if exists else 404) from error


@app.post("/customers/bulk", status_code=201, response_model=CustomerBatch)
async def create_many(session: SessionDep, body: NewCustomers) -> dict:
    # It has no method that creates many.
    items = [Customer(**item.model_dump()) for item in body.items]
    session.add_all(items)
    await session.commit()
    return {"items": items}
