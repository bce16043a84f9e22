"""Litestar with advanced-alchemy: service, repository, its own session handling."""

from typing import Annotated, Any

from advanced_alchemy.exceptions import DuplicateKeyError, IntegrityError, NotFoundError
from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
    providers,
    repository,
    service,
)
from litestar import Controller, Litestar, Response, get, patch, post
from litestar.exceptions import ClientException
from litestar.params import Dependency
from sqlalchemy import select

from .bodies import (
    CustomerBatch,
    CustomerCreate,
    CustomerFull,
    CustomerPage,
    CustomerRead,
    CustomerUpdate,
    OrderRead,
)
from .mapped import Customer, Order, make_engine


class NewCustomers(CustomerBatch):
    items: list[CustomerCreate]  # type: ignore[assignment]


class Customers(service.SQLAlchemyAsyncRepositoryService[Customer, Any]):
    class Repository(repository.SQLAlchemyAsyncRepository[Customer]):
        model_type = Customer

    repository_type = Repository


class Orders(service.SQLAlchemyAsyncRepositoryService[Order, Any]):
    class Repository(repository.SQLAlchemyAsyncRepository[Order]):
        model_type = Order

    repository_type = Repository


class Conflict(ClientException):
    status_code = 409


Injected = Annotated[Customers, Dependency(skip_validation=True)]


class CustomerController(Controller):
    path = "/customers"
    dependencies = providers.create_service_dependencies(
        Customers, "customers"
    ) | providers.create_service_dependencies(Orders, "orders")

    @get()
    async def list_customers(
        self, customers: Injected, city: str, limit: int = 20, cursor: str | None = None
    ) -> CustomerPage:
        statement = select(Customer).where(Customer.city == city)
        if cursor is not None:
            statement = statement.where(Customer.id > cursor)
        items = await customers.get_many(
            statement=statement.order_by(Customer.id).limit(limit)
        )
        read = [CustomerRead.model_validate(item) for item in items]
        return CustomerPage(items=read, next=read[-1].id if read else None)

    @get("/{customer_id:str}")
    async def get_customer(self, customers: Injected, customer_id: str) -> CustomerRead:
        return CustomerRead.model_validate(await customers.get(customer_id))

    @get("/{customer_id:str}/full")
    async def get_full(
        self,
        customers: Injected,
        orders: Annotated[Orders, Dependency(skip_validation=True)],
        customer_id: str,
    ) -> CustomerFull:
        customer = CustomerRead.model_validate(await customers.get(customer_id))
        last = await orders.get_many(
            statement=select(Order)
            .where(Order.customer_id == customer_id)
            .order_by(Order.id.desc())
            .limit(10)
        )
        return CustomerFull(
            **customer.model_dump(),
            orders=[OrderRead.model_validate(order) for order in last],
        )

    @post()
    async def create_customer(
        self, customers: Injected, data: CustomerCreate
    ) -> CustomerRead:
        return CustomerRead.model_validate(await customers.create(data.model_dump()))

    @patch("/{customer_id:str}")
    async def patch_customer(
        self, customers: Injected, customer_id: str, data: CustomerUpdate
    ) -> CustomerRead:
        customer = await customers.get(
            customer_id, statement=select(Customer).with_for_update()
        )
        if customer.version != data.version:
            raise Conflict("stale")
        changes = data.model_dump(exclude_unset=True, exclude={"version"})
        changes["version"] = data.version + 1
        return CustomerRead.model_validate(
            await customers.update(changes, item_id=customer_id, auto_refresh=True)
        )

    @post("/bulk")
    async def create_many(
        self, customers: Injected, data: NewCustomers
    ) -> CustomerBatch:
        made = await customers.create_many([item.model_dump() for item in data.items])
        return CustomerBatch(items=[CustomerRead.model_validate(item) for item in made])


def on_missing(_request: Any, error: NotFoundError) -> Any:
    return _answer(404)


def on_duplicate(_request: Any, error: IntegrityError) -> Any:
    return _answer(409)


def _answer(status: int) -> Any:
    return Response({"detail": ""}, status_code=status)


alchemy = SQLAlchemyPlugin(
    config=SQLAlchemyAsyncConfig(
        engine_instance=make_engine(),
        session_config=AsyncSessionConfig(expire_on_commit=False),
        before_send_handler="autocommit",
    )
)
app = Litestar(
    [CustomerController],
    plugins=[alchemy],
    exception_handlers={
        NotFoundError: on_missing,
        DuplicateKeyError: on_duplicate,
        IntegrityError: on_duplicate,
    },
    openapi_config=None,
)
