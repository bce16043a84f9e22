"""Steps and functions of an extension in recipes and feature sets, in their child."""

import os

import pandas as pd
import pytest

from foretell import Extension

shop = Extension("shop")


@shop.step
def top(table: pd.DataFrame, column: str, count: int = 2) -> pd.DataFrame:
    return table.nlargest(count, column)


@shop.step
def greedy(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(size=len(bytearray(os.urandom(1)) * (4 << 30)))


@shop.function
def vat(price: float) -> float:
    return price * 0.081


@pytest.fixture
def extensions():
    return [shop]


async def run(client, run_jobs, recipe, steps):
    put = await client.put(f"/api/recipes/{recipe}", json={"steps": steps})
    assert put.status_code == 201, put.text
    body = {"recipe": recipe, "output": recipe}
    job = await client.post("/api/datasets/t/runs", json=body)
    assert job.status_code == 202, job.text
    await run_jobs()
    return (await client.get(job.headers["location"])).json()


@pytest.mark.slow
async def test_steps_and_functions_of_an_extension_run_confined(client, run_jobs):
    files = {"file": ("t.csv", b"name,price\nann,1.5\nbob,3.5\ncy,2.5\n")}
    await client.post("/api/datasets", files=files, data={"name": "t"})
    await run_jobs()
    steps = [
        {"step": "shop.top", "column": "price"},
        {"step": "derive", "column": "tax", "expression": "round(vat(price), 4)"},
    ]
    done = await run(client, run_jobs, "best", steps)
    assert done["state"] == "succeeded", done
    rows = (await client.get("/api/datasets/best/rows")).json()["items"]
    assert rows == [
        {"name": "bob", "price": 3.5, "tax": 0.2835},
        {"name": "cy", "price": 2.5, "tax": 0.2025},
    ]
    wrong = [{"step": "shop.top", "column": "price", "count": "x"}]
    refused = await client.put("/api/recipes/r", json={"steps": wrong})
    assert refused.json()["errors"][0]["pointer"] == "/steps/0/count"
    features = [{"name": "tax", "expression": "vat(price)"}]
    await client.put("/api/feature-sets/tax", json={"features": features})
    answer = await client.post(
        "/api/feature-sets/tax/compute", json={"rows": [{"price": 100}]}
    )
    assert answer.json()["rows"] == [{"tax": 8.1}]
    # More memory than a child may have ends the run, and nothing else.
    done = await run(client, run_jobs, "big", [{"step": "shop.greedy"}])
    assert done["state"] == "failed"
    assert (await client.get("/api/datasets/big")).status_code == 404
    assert (await client.get("/healthz")).status_code == 200
