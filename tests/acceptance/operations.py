"""The operations of the OpenAPI document, with what each needs to be called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.acceptance.conftest import ROW

METHODS = ("get", "put", "post", "patch", "delete")
# Streams without an end of their own.
ENDLESS = frozenset({"get /api/events"})
TOKEN_PATHS = ("/token",)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        scopes: What a credential needs; `None` where anybody may call.
    """

    method: str
    path: str
    document: Mapping[str, Any]
    scopes: frozenset[str] | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_public(self) -> bool:
        return self.scopes is None

    @property
    def takes_json(self) -> bool:
        content = self.document.get("requestBody", {}).get("content", {})
        return "application/json" in content

    @property
    def takes_files(self) -> bool:
        content = self.document.get("requestBody", {}).get("content", {})
        return "multipart/form-data" in content

    @property
    def names_object(self) -> bool:
        return "{" in self.path

    def at(self, objects: Mapping[str, str]) -> str:
        """The path with names filled in."""
        path = self.path
        for name, value in objects.items():
            path = path.replace("{" + name + "}", value)
        assert "{" not in path, path
        return path


def operations(client: httpx2.Client) -> list[Operation]:
    """Every operation of the static document."""
    # With a credential the document also holds the models that the caller may see.
    document = httpx2.get(client.base_url.join("/openapi.json")).json()
    return [
        Operation(method, path, item[method], _scopes(item[method]))
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def _scopes(operation: Mapping[str, Any]) -> frozenset[str] | None:
    if not operation["security"]:
        return None
    return frozenset(operation["security"][0]["oauth2"])


def call(
    client: httpx2.Client, operation: Operation, objects: Mapping[str, str], **how: Any
) -> httpx2.Response:
    """Call an operation and read its answer whole, or the head of a stream's."""
    request = client.build_request(operation.method, operation.at(objects), **how)
    answer = client.send(request, stream=True)
    try:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    finally:
        answer.close()
    return answer


def good_body(operation: Operation, objects: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of a request that the operation takes, for its owner."""
    model, dataset = objects["model"], objects["name"]
    bodies: dict[str, Any] = {
        "post /api/users/me/password": {"current_password": "x", "new_password": "y"},
        "post /api/users/me/email": {"email": "x@y.org", "current_password": "x"},
        "patch /api/users/{user_id}": {"name": "Changed"},
        "patch /api/datasets/{name}": {"description": "changed"},
        "put /api/datasets/{name}/current": {"version": 1},
        "put /api/models/{model}": {"description": "changed"},
        "patch /api/models/{model}": {"description": "changed"},
        "put /api/models/{model}/aliases/{alias}": {"version": 1},
        "put /api/models/{model}/traffic": {"routes": [{"version": 1, "weight": 1}]},
        "put /api/schedules/{name}": {"task": "system.echo", "every_s": 3600},
        "put /api/queues/{name}": {"paused": False},
        "put /api/connections/{name}": {"kind": "sqlite", "path": "x.db"},
        "patch /api/connections/{name}": {"visibility": "everyone"},
        "post /api/datasets/{name}/export": {"connection": dataset, "table": "t"},
        "post /api/models/{model}/predict": {"rows": [ROW]},
        "post /api/models/{model}/batch": {"dataset": dataset, "output": "stolen"},
        "put /api/recipes/{recipe}": {"steps": []},
        "patch /api/recipes/{recipe}": {"description": "changed"},
        "post /api/datasets/{name}/runs": {"recipe": objects["recipe"]},
        "put /api/feature-sets/{feature_set}": {
            "features": [{"name": "a", "expression": "1"}]
        },
        "patch /api/feature-sets/{feature_set}": {"description": "changed"},
        "post /api/feature-sets/{feature_set}/compute": {"rows": []},
        "post /api/query": {"sql": f'SELECT * FROM "{dataset}"'},  # noqa: S608
        "post /api/predict": {"model": model, "rows": [ROW]},
    }
    if operation.path.endswith("/infer"):
        return {"json": {"inputs": []}}
    if operation.name in bodies:
        return {"json": bodies[operation.name]}
    if operation.takes_files:
        part = "file" if "datasets" in operation.path else "artifact"
        return {"files": {part: ("t.csv", b"a\n1\n")}}
    return {}
