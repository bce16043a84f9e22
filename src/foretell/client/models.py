"""Models: upload, aliases, predictions one by one, in frames and in batches."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from foretell.client import frames
from foretell.client.calls import Call, as_json, get, nothing, path, post
from foretell.client.datasets import get_dataset
from foretell.client.jobs import OnEvent, succeeded
from foretell.client.operations import Procedure, Save, call, several
from foretell.client.shapes import (
    Dataset,
    Job,
    Model,
    ModelVersion,
    Monitoring,
    Page,
    Prediction,
    Predictions,
)

Rows = Sequence[Mapping[str, Any]]


@call
def list_models(limit: int = 100, cursor: str | None = None) -> Call[Page[Model]]:
    """One page of the models that the caller may see, by name."""
    return get(path("models"), as_json(Page[Model]), limit=limit, cursor=cursor)


@call
def get_model(name: str) -> Call[Model]:
    """One model."""
    return get(path("models", name), as_json(Model))


@call
def put_model(name: str, **values: Any) -> Call[Model]:
    """Make a model without versions, or change its description or readers."""
    return Call("PUT", path("models", name), as_json(Model), json=values)


@call
def delete_model(name: str) -> Call[None]:
    """Delete a model with all its versions."""
    return Call("DELETE", path("models", name), nothing)


@call
def list_model_versions(
    name: str, limit: int = 100, cursor: str | None = None
) -> Call[Page[ModelVersion]]:
    """One page of the versions of a model, newest first."""
    address = path("models", name, "versions")
    return get(address, as_json(Page[ModelVersion]), limit=limit, cursor=cursor)


@call
def get_model_version(name: str, version: int | str = "latest") -> Call[ModelVersion]:
    """One version, by number, alias or `latest`: signature, safety, parity."""
    address = path("models", name, "versions", version)
    return get(address, as_json(ModelVersion))


@call
def model_schema(name: str, version: int | str = "latest") -> Call[dict[str, Any]]:
    """JSON Schema of the rows that a version takes."""
    address = path("models", name, "versions", version, "schema")
    return get(address, as_json(dict[str, Any]))


@several
def download_artifact(
    name: str, file: Path, version: int | str = "latest"
) -> Procedure[Path]:
    """Save the uploaded file of a version."""
    address = path("models", name, "versions", version, "artifact")
    yield Save(get(address, nothing), file)
    return file


@call
def start_upload(
    name: str,
    artifact: str | Path | bytes,
    *,
    metadata: Mapping[str, Any] | None = None,
    example: frames.Source | None = None,
    filename: str | None = None,
) -> Call[Job]:
    """Send a model file; gives the job that checks and publishes it.

    Args:
        metadata: flavour, signature, metrics, description, trust.
        example: Sample rows: a file or a frame.
    """
    content = frames.content_of(artifact, filename or name)[0]
    files = {"artifact": content}
    if example is not None:
        files["example"] = frames.content_of(example, "example.csv")[0]
    form = {"metadata": json.dumps(dict(metadata))} if metadata else {}
    address = path("models", name, "versions")
    return post(address, as_json(Job), form=form, files=files)


@several
def add_model(
    name: str,
    artifact: str | Path | bytes,
    *,
    metadata: Mapping[str, Any] | None = None,
    example: frames.Source | None = None,
    filename: str | None = None,
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
) -> Procedure[ModelVersion]:
    """Upload a model, wait until it is published, and give the version."""
    job = yield from start_upload.steps(
        name, artifact, metadata=metadata, example=example, filename=filename
    )
    result = yield from succeeded(job, on_event, timeout_seconds)
    return (yield from get_model_version.steps(name, result["version"]))


@call
def set_alias(name: str, alias: str, version: int) -> Call[dict[str, Any]]:
    """Point an alias at a version; the next prediction sees it."""
    address = path("models", name, "aliases", alias)
    return Call("PUT", address, as_json(dict[str, Any]), json={"version": version})


@call
def delete_alias(name: str, alias: str) -> Call[None]:
    """Remove an alias."""
    return Call("DELETE", path("models", name, "aliases", alias), nothing)


@call
def list_aliases(name: str) -> Call[dict[str, Any]]:
    """The aliases of a model and where each has pointed."""
    return get(path("models", name, "aliases"), as_json(dict[str, Any]))


@call
def set_traffic(
    name: str, weights: Mapping[int | str, int], shadow: Sequence[int | str] = ()
) -> Call[Model]:
    """Split the calls that name no version by the weight of each version, and let
    shadows score them unseen; without weights the champion answers."""
    routes = [{"version": v, "weight": weight} for v, weight in weights.items()]
    body = {"routes": routes, "shadow": list(shadow)}
    return Call("PUT", path("models", name, "traffic"), as_json(Model), json=body)


@call
def get_monitoring(
    name: str,
    *,
    version: int | str | None = None,
    first: date | str | None = None,
    last: date | str | None = None,
) -> Call[Monitoring]:
    """What a version did from one day to another: calls, errors, latency, predictions
    and drift against the example rows.

    Args:
        version: Number, alias or `latest`; by default the one that answers.
        first, last: Days (UTC), both included; by default the last seven.
    """
    days = {
        "from": None if first is None else str(first),
        "to": None if last is None else str(last),
    }
    address = path("models", name, "monitoring")
    return get(address, as_json(Monitoring), version=version, **days)


@call
def predict(
    name: str, rows: Rows, *, version: int | str | None = None
) -> Call[Predictions]:
    """Predictions of rows, each a mapping of input name to value."""
    return _predict(name, {"rows": [dict(row) for row in rows]}, version)


@several
def predict_frame(
    name: str, frame: Any, *, version: int | str | None = None
) -> Procedure[Any]:
    """A frame with its predictions as further columns, of the same library.

    All rows are answered by one version, also when an alias moves meanwhile.
    """
    columns, rows = frames.rows_of(frame)
    found: list[Prediction] = []
    for start in range(0, len(rows), frames.ROWS_PER_CALL):
        part = rows[start : start + frames.ROWS_PER_CALL]
        body = {"columns": columns, "data": part}
        answer: Predictions = yield _predict(name, body, version)
        version = answer["version"]
        found += answer["predictions"]
    return frames.with_predictions(frame, found)


@call
def start_batch(
    name: str,
    dataset: str,
    output: str,
    *,
    dataset_version: int | None = None,
    version: int | str | None = None,
    include_inputs: bool | None = None,
    shard_rows: int | None = None,
) -> Call[Job]:
    """Score a dataset into another one; gives the job."""
    given = {
        "dataset": dataset,
        "output": output,
        "dataset_version": dataset_version,
        "version": version,
        "include_inputs": include_inputs,
        "shard_rows": shard_rows,
    }
    body = {key: value for key, value in given.items() if value is not None}
    return post(path("models", name, "batch"), as_json(Job), json=body)


@several
def score_dataset(
    name: str,
    dataset: str,
    output: str,
    *,
    version: int | str | None = None,
    include_inputs: bool | None = None,
    shard_rows: int | None = None,
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
) -> Procedure[Dataset]:
    """Score a dataset into another one, wait, and give that dataset."""
    job = yield from start_batch.steps(
        name,
        dataset,
        output,
        version=version,
        include_inputs=include_inputs,
        shard_rows=shard_rows,
    )
    yield from succeeded(job, on_event, timeout_seconds)
    return (yield from get_dataset.steps(output))


def _predict(
    name: str, body: Mapping[str, Any], version: int | str | None
) -> Call[Predictions]:
    address = path("models", name, "predict")
    kind = as_json(Predictions)
    return Call("POST", address, kind, {"version": version}, json=body, is_safe=True)
