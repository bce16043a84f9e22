"""Recipes and feature sets."""

from collections.abc import Mapping, Sequence
from typing import Any

from foretell.client.calls import Call, as_json, get, nothing, path, post
from foretell.client.datasets import get_dataset
from foretell.client.jobs import OnEvent, succeeded
from foretell.client.operations import Procedure, call, several
from foretell.client.shapes import (
    Computed,
    Dataset,
    FeatureSet,
    Job,
    Page,
    Preview,
    Recipe,
)

Parts = Sequence[Mapping[str, Any]]


@call
def put_recipe(
    name: str, steps: Parts = (), checks: Parts = (), description: str | None = None
) -> Call[Recipe]:
    """Make a recipe, or its next version."""
    body: dict[str, Any] = {"steps": list(steps), "checks": list(checks)}
    if description is not None:
        body["description"] = description
    return Call("PUT", path("recipes", name), as_json(Recipe), json=body)


@call
def get_recipe(name: str, version: int | None = None) -> Call[Recipe]:
    """A recipe with its steps and checks, the latest version by default."""
    return get(path("recipes", name), as_json(Recipe), version=version)


@call
def list_recipes(limit: int = 100, cursor: str | None = None) -> Call[Page[Recipe]]:
    """One page of the recipes that the caller may see, by name."""
    return get(path("recipes"), as_json(Page[Recipe]), limit=limit, cursor=cursor)


@call
def delete_recipe(name: str) -> Call[None]:
    """Delete a recipe with all its versions; what it made stays."""
    return Call("DELETE", path("recipes", name), nothing)


@call
def start_run(dataset: str, recipe: str, **options: Any) -> Call[Job]:
    """Run a recipe on a dataset; gives the job. Options are those of `POST
    /api/datasets/{name}/runs`: `output`, `version`, `recipe_version`, `automatic`."""
    body = {"recipe": recipe, **options}
    return post(path("datasets", dataset, "runs"), as_json(Job), json=body)


@several
def run_recipe(
    dataset: str,
    recipe: str,
    *,
    on_event: OnEvent | None = None,
    timeout_seconds: float | None = None,
    **options: Any,
) -> Procedure[Dataset]:
    """Run a recipe on a dataset, wait, and give the dataset that it made."""
    job = yield from start_run.steps(dataset, recipe, **options)
    yield from succeeded(job, on_event, timeout_seconds)
    return (yield from get_dataset.steps(options.get("output") or dataset))


@call
def preview_run(dataset: str, recipe: str, **options: Any) -> Call[Preview]:
    """What a run would make of the first 1,000 rows, step by step."""
    where = path("datasets", dataset, "runs")
    body = {"recipe": recipe, **options}
    return Call("POST", where, as_json(Preview), {"dry_run": True}, json=body)


@call
def put_feature_set(
    name: str, features: Parts, inputs: Parts = (), description: str | None = None
) -> Call[FeatureSet]:
    """Make a feature set, or its next version."""
    body: dict[str, Any] = {"features": list(features), "inputs": list(inputs)}
    if description is not None:
        body["description"] = description
    return Call("PUT", path("feature-sets", name), as_json(FeatureSet), json=body)


@call
def get_feature_set(name: str, version: int | None = None) -> Call[FeatureSet]:
    """A feature set with its expressions, the latest version by default."""
    return get(path("feature-sets", name), as_json(FeatureSet), version=version)


@call
def list_feature_sets(
    limit: int = 100, cursor: str | None = None
) -> Call[Page[FeatureSet]]:
    """One page of the feature sets that the caller may see, by name."""
    where = path("feature-sets")
    return get(where, as_json(Page[FeatureSet]), limit=limit, cursor=cursor)


@call
def delete_feature_set(name: str) -> Call[None]:
    """Delete a feature set; models that are bound to it keep what they need."""
    return Call("DELETE", path("feature-sets", name), nothing)


@call
def compute_features(
    name: str, rows: Parts, version: int | None = None
) -> Call[Computed]:
    """The features of raw records."""
    where = path("feature-sets", name, "compute")
    kind = as_json(Computed)
    body = {"rows": list(rows)}
    return Call("POST", where, kind, {"version": version}, json=body, is_safe=True)
