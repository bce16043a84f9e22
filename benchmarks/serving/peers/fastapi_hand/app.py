"""A model behind FastAPI as it is written by hand: pickle, Pydantic, two calls."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, create_model

folder = Path(os.environ["BENCH_FOLDER"])
names = (folder / "columns.txt").read_text().splitlines()
model = pickle.loads((folder / "model.pkl").read_bytes())
texts = {"cut", "colour", "clarity"}
is_mixed = bool(texts & set(names))
fields: dict[str, Any] = {
    name.replace(" ", "_"): (str if name in texts else float, ...) for name in names
}
Row: type[BaseModel] = create_model("Row", **fields)
app = FastAPI()


class Rows(BaseModel):
    rows: list[Row]  # type: ignore[valid-type]


def values(rows: list[Any]) -> Any:
    if is_mixed:
        return pd.DataFrame([row.model_dump() for row in rows])
    matrix = np.array([list(row.model_dump().values()) for row in rows])
    return pd.DataFrame(matrix, columns=names)


def answers(rows: list[Any]) -> list[dict[str, Any]]:
    given = values(rows)
    labels, chances = model.predict(given), model.predict_proba(given)
    return [
        {"prediction": int(label), "probabilities": chance.tolist()}
        for label, chance in zip(labels, chances, strict=True)
    ]


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
async def predict(row: Row) -> dict[str, Any]:  # type: ignore[valid-type]
    return answers([row])[0]


@app.post("/predict_many")
async def predict_many(body: Rows) -> list[dict[str, Any]]:
    return answers(body.rows)
