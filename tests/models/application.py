"""An application on a temporary folder, with real models published into it.

Training and inspecting take seconds, so each model is inspected once a session, by
the function that the sandboxed child runs, and published per test without a worker.
"""

import io
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

from foretell.app import create_app
from foretell.auth.identity import Identity
from foretell.auth.keys import NewKey
from foretell.auth.service import NewUser
from foretell.core.principal import Principal, Role
from foretell.http.edge import Edge
from foretell.http.state import AppState
from foretell.jobs.doorbell import Doorbell
from foretell.models.composing import models_service
from foretell.models.importing import Inspected, Uploaded
from foretell.models.inspecting import inspect_artifact
from foretell.models.reports import InspectRequest, InspectResult
from foretell.settings import Settings

IRIS = load_iris(as_frame=True)
ROW = {str(name): float(IRIS.data[name].iloc[0]) for name in IRIS.data}


@dataclass(frozen=True, slots=True, repr=False)
class Trained:
    """A model file and what its inspection found."""

    estimator: Any
    artifact: bytes
    result: InspectResult
    twin: bytes | None


@dataclass(slots=True)
class Running:
    """The running application and clients of two users."""

    app: Edge
    state: AppState
    owner: Principal
    client: httpx2.AsyncClient
    other: httpx2.AsyncClient

    async def publish(self, name: str, trained: Trained) -> int:
        """Publish a version; returns its number."""
        async with self.state.database.writing() as session:
            service = models_service(self.state, session)
            target = await service.target_of(self.owner, name)
            uploaded = Uploaded(
                model=name,
                **target._asdict(),
                filename="model.joblib",
                bytes=len(trained.artifact),
                sha256=trained.result.sha256,
            )
            await self.put(uploaded.artifact_key, trained.artifact)
            twin_key = None
            if trained.twin is not None:
                twin_key = f"{uploaded.prefix}twin"
                await self.put(twin_key, trained.twin)
            found = Inspected(trained.result, twin_key)
            return await service.publish(uploaded, found, self.owner.user_id)

    async def put(self, key: str, content: bytes) -> None:
        path = self.state.settings.data_dir / secrets.token_hex(8)
        path.write_bytes(content)
        await self.state.blobs.put(key, path)

    async def client_with(self, scopes: Sequence[str]) -> httpx2.AsyncClient:
        """A client of the owner whose key is narrowed to `scopes`."""
        async with self.state.port(Identity).unit_of_work() as services:
            user = await services.accounts.get_by_email("owner@example.org")
            made = await services.keys.create_for(user, NewKey("narrow", list(scopes)))
        return _client(self.app, made.key)


def dump(estimator: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(estimator, stream)
    return stream.getvalue()


def trained(estimator: Any, folder: Path, engine: str = "auto") -> Trained:
    """Inspect a fitted estimator as an upload of it would be."""
    artifact = dump(estimator)
    path = folder / "model.joblib"
    path.write_bytes(artifact)
    example = folder / "example.csv"
    IRIS.data.iloc[::5].to_csv(example, index=False)
    output = folder / "out"
    output.mkdir()
    request = InspectRequest(
        artifact=str(path), output=str(output), example=str(example), engine=engine
    )
    result = inspect_artifact(request, lambda _progress: None)
    twin = (output / result.twin.name).read_bytes() if result.twin else None
    return Trained(estimator, artifact, result, twin)


@pytest.fixture(scope="session")
def logreg(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three classes by name, answered by the linear engine."""
    labels = IRIS.target_names[IRIS.target]
    estimator = LogisticRegression(max_iter=500).fit(IRIS.data, labels)
    return trained(estimator, tmp_path_factory.mktemp("logreg"))


@pytest.fixture(scope="session")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three classes by number, answered by ONNX Runtime."""
    estimator = RandomForestClassifier(10, random_state=0).fit(IRIS.data, IRIS.target)
    return trained(estimator, tmp_path_factory.mktemp("forest"))


@pytest.fixture(scope="session")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A regression that the pickle itself answers, in the model host."""
    estimator = KNeighborsRegressor(3).fit(IRIS.data, IRIS.target)
    return trained(estimator, tmp_path_factory.mktemp("knn"), engine="native")


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    app = create_app(Settings(data_dir=tmp_path), with_worker=False)
    async with app.router.lifespan_context(app):
        state: AppState = app.state.foretell
        keys = {}
        async with state.port(Identity).unit_of_work() as services:
            for name in ("owner", "other"):
                email, password = f"{name}@example.org", "quite a long one"
                new = NewUser(email, password, name, Role.EDITOR)
                user = await services.accounts.create_local(new)
                keys[name] = user.id, await services.keys.create_for(
                    user, NewKey("test", [])
                )
        owner = await state.port(Identity).principal_of(keys["owner"][0])
        assert owner is not None
        async with (
            _client(app, keys["owner"][1].key) as client,
            _client(app, keys["other"][1].key) as other,
        ):
            yield Running(app, state, owner, client, other)
    state.port(Doorbell).close()


def _client(app: Edge, key: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://testserver",
        headers={"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"},
    )
