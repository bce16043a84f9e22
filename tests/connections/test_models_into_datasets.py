"""Models of Django and Tortoise become datasets, by a task of an extension, served."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.conftest import first_admin
from tests.acceptance.processes import finish
from tests.served import Server

ROWS = 5_000
SHOP = """
import os
from datetime import UTC, datetime

import django
from django.conf import settings

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["SHOP_DATABASE"],
        }
    },
    INSTALLED_APPS=[],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.db import models  # noqa: E402
from tortoise import Tortoise, fields  # noqa: E402
from tortoise.models import Model  # noqa: E402

from foretell import Extension, JobContext, create_app  # noqa: E402
from foretell.connections.sources import django_source, tortoise_source  # noqa: E402
from foretell.datasets.from_models import import_model  # noqa: E402


class Order(models.Model):
    price = models.DecimalField(max_digits=10, decimal_places=2)
    name = models.CharField(max_length=20, null=True)
    ok = models.BooleanField()
    at = models.DateTimeField()
    day = models.DateField()
    count = models.BigIntegerField()

    class Meta:
        app_label = "shop"
        db_table = "orders"


class Item(Model):
    id = fields.BigIntField(primary_key=True)
    price = fields.DecimalField(max_digits=10, decimal_places=2)
    name = fields.CharField(max_length=20, null=True)
    ok = fields.BooleanField()
    at = fields.DatetimeField()
    day = fields.DateField()
    count = fields.BigIntField()

    class Meta:
        table = "orders"


shop = Extension("shop")


@shop.task
async def from_django(job: JobContext, dataset: str, mode: str) -> dict[str, object]:
    return await import_model(job, dataset, django_source(Order), mode=mode)


@shop.task
async def from_tortoise(job: JobContext, dataset: str, mode: str) -> dict[str, object]:
    path = os.environ["SHOP_DATABASE"]
    await Tortoise.init(db_url=f"sqlite://{path}", modules={"models": [__name__]})
    try:
        return await import_model(job, dataset, tortoise_source(Item), mode=mode)
    finally:
        await Tortoise.close_connections()


app = create_app(extensions=[shop])
"""


def make_orders(path: Path, rows: int) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, price DECIMAL NOT NULL,"
            " name VARCHAR(20), ok BOOL NOT NULL, at DATETIME NOT NULL,"
            " day DATE NOT NULL, count BIGINT NOT NULL)"
        )
        db.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    n,
                    f"{n}.25",
                    None if n % 7 == 0 else f"00{n}",
                    n % 2,
                    f"2026-01-{n % 28 + 1:02} 10:00:00",
                    f"2026-02-{n % 28 + 1:02}",
                    2**60 + n,
                )
                for n in range(1, rows + 1)
            ],
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_models.py").write_text(SHOP)
    make_orders(folder / "shop.db", ROWS)
    server = Server(folder / "data", app="shop_models:app")
    server.environment["SHOP_DATABASE"] = str(folder / "shop.db")
    server.environment["PYTHONPATH"] = str(folder)
    with server.start().running(), server.client(first_admin(server)) as client:
        yield client


def run(client: httpx2.Client, task: str, dataset: str, mode: str) -> dict[str, Any]:
    body = {"task": task, "args": {"dataset": dataset, "mode": mode}}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 202, answer.text
    job = finish(client, answer.headers["location"])
    assert job["state"] == "succeeded", job
    result: dict[str, Any] = job["result"]
    return result


@pytest.mark.slow
@pytest.mark.parametrize("library", ["django", "tortoise"])
def test_a_model_of_5000_rows_arrives_typed(shop: httpx2.Client, library: str):
    task, dataset = f"shop.from_{library}", f"orders-{library}"
    assert run(shop, task, dataset, "replace") == {"dataset": dataset, "version": 1}
    shown = shop.get(f"/api/datasets/{dataset}").json()
    assert (shown["rows"], shown["rejects"]) == (ROWS, 0)
    assert {column["name"]: column["type"] for column in shown["columns"]} == {
        "id": "integer",
        "price": "decimal",
        "name": "text",
        "ok": "boolean",
        "at": "timestamp",
        "day": "date",
        "count": "integer",
    }
    last = shop.get(f"/api/datasets/{dataset}/rows?where=id={ROWS}").json()["items"]
    assert last == [
        {
            "id": ROWS,
            "price": f"{ROWS}.25",
            "name": f"00{ROWS}",
            "ok": False,
            "at": "2026-01-17T10:00:00Z",
            "day": "2026-02-17",
            "count": 2**60 + ROWS,
        }
    ]
    nulls = shop.get(f"/api/datasets/{dataset}/count?where=name IS NULL").json()
    assert nulls["count"] == ROWS // 7
    assert run(shop, task, dataset, "append")["version"] == 2
    assert shop.get(f"/api/datasets/{dataset}").json()["rows"] == 2 * ROWS
