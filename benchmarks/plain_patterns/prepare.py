"""Makes the tables in `DATABASE_URL` and the model `model.pkl`."""

import asyncio
import pickle

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train_model() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(X, y)
    with open("model.pkl", "wb") as f:
        pickle.dump(model, f)


async def create_tables() -> None:
    from main import Base, engine  # loads the model, so it has to be there

    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
    await engine.dispose()


if __name__ == "__main__":
    train_model()
    asyncio.run(create_tables())
