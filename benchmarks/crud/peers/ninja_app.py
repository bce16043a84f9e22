"""Django Ninja, sync views under threads and psycopg's pool (the faster of its two ways)."""

import os
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

import django
from django.conf import settings

parts = urlsplit(os.environ["BENCH_DATABASE_URL"])
settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    MIDDLEWARE=[],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path.strip("/"),
            "HOST": parts.hostname,
            "PORT": parts.port,
            "USER": parts.username,
            "OPTIONS": {"pool": {"min_size": 10, "max_size": 10}},
        }
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import IntegrityError, models, transaction  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from ninja import NinjaAPI, Schema  # noqa: E402
from ninja.errors import HttpError  # noqa: E402
from pydantic import Field  # noqa: E402

from .ids import new_id  # noqa: E402


class Customer(models.Model):
    id = models.CharField(primary_key=True, max_length=255, default=new_id)
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    email = models.CharField(max_length=255, unique=True)
    name = models.CharField(max_length=255)
    city = models.CharField(max_length=255)
    credit = models.DecimalField(max_digits=12, decimal_places=2)
    active = models.BooleanField()

    class Meta:
        app_label = "bench"
        db_table = "customers"


class Order(models.Model):
    id = models.CharField(primary_key=True, max_length=255, default=new_id)
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    status = models.CharField(max_length=255)

    class Meta:
        app_label = "bench"
        db_table = "orders"


class CustomerCreate(Schema):
    email: str = Field(max_length=255, pattern=r"^\S+@\S+$")
    name: str = Field(max_length=255)
    city: str = Field(max_length=255)
    credit: Decimal = Field(max_digits=12, decimal_places=2)
    active: bool = True


class CustomerUpdate(Schema):
    version: int
    name: str | None = Field(default=None, max_length=255)
    credit: Decimal | None = Field(default=None, max_digits=12, decimal_places=2)
    active: bool | None = None


class CustomerRead(Schema):
    id: str
    version: int
    created_at: datetime
    updated_at: datetime
    email: str
    name: str
    city: str
    credit: Decimal
    active: bool


class OrderRead(Schema):
    id: str
    version: int
    created_at: datetime
    updated_at: datetime
    customer_id: str
    amount: Decimal
    status: str


class CustomerFull(CustomerRead):
    orders: list[OrderRead]


class CustomerPage(Schema):
    items: list[CustomerRead]
    next: str | None


class CustomerBatch(Schema):
    items: list[CustomerRead]


class NewCustomers(Schema):
    items: list[CustomerCreate]


api = NinjaAPI(openapi_url=None)


@api.get("/customers", response=CustomerPage)
def list_customers(
    request: HttpRequest, city: str, limit: int = 20, cursor: str | None = None
) -> dict:
    found = Customer.objects.filter(city=city).order_by("id")
    if cursor is not None:
        found = found.filter(id__gt=cursor)
    items = list(found[:limit])
    return {"items": items, "next": items[-1].id if items else None}


# Before the address of one customer: the first pattern that fits is taken.
@api.post("/customers/bulk", response={201: CustomerBatch})
def create_many(request: HttpRequest, body: NewCustomers) -> tuple:
    with transaction.atomic():
        items = Customer.objects.bulk_create(
            [Customer(**item.dict()) for item in body.items]
        )
    return 201, {"items": items}


@api.get("/customers/{customer_id}", response=CustomerRead)
def get_customer(request: HttpRequest, customer_id: str) -> Customer:
    try:
        return Customer.objects.get(pk=customer_id)
    except Customer.DoesNotExist as error:
        raise HttpError(404, "not found") from error


@api.get("/customers/{customer_id}/full", response=CustomerFull)
def get_full(request: HttpRequest, customer_id: str) -> CustomerFull:
    customer = get_customer(request, customer_id)
    last = Order.objects.filter(customer_id=customer_id).order_by("-id")[:10]
    return CustomerFull(
        **CustomerRead.from_orm(customer).dict(),
        orders=[OrderRead.from_orm(order) for order in last],
    )


@api.post("/customers", response={201: CustomerRead})
def create_customer(request: HttpRequest, body: CustomerCreate) -> tuple:
    try:
        with transaction.atomic():
            return 201, Customer.objects.create(**body.dict())
    except IntegrityError as error:
        raise HttpError(409, "taken") from error


@api.patch("/customers/{customer_id}", response=CustomerRead)
def patch_customer(
    request: HttpRequest, customer_id: str, body: CustomerUpdate
) -> Customer:
    with transaction.atomic():
        try:
            customer = Customer.objects.select_for_update().get(pk=customer_id)
        except Customer.DoesNotExist as error:
            raise HttpError(404, "not found") from error
        if customer.version != body.version:
            raise HttpError(409, "stale")
        changes = body.dict(exclude_unset=True, exclude={"version"})
        for name, value in changes.items():
            setattr(customer, name, value)
        customer.version += 1
        customer.updated_at = timezone.now()
        customer.save()
    return customer


urlpatterns = [path("", api.urls)]
app = get_wsgi_application()
