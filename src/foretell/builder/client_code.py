"""A typed client of a project's resources, from the project's own OpenAPI document."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from foretell.builder.errors import ClientNotMade
from foretell.builder.existing import ExistingProject
from foretell.builder.names import ResourceName, identifier
from foretell.builder.rendering import Files, import_block, render
from foretell.settings import PREFIX

_SECONDS = 120
_PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}


class _Rows(NamedTuple):
    """One resource as the document has it: its address and the names of its schemas."""

    address: str
    read: str
    create: str
    update: str
    page: str

    @property
    def attribute(self) -> str:
        return self.address.rpartition("/")[2].replace("-", "_")


def openapi_of(project: ExistingProject) -> dict[str, Any]:
    """The OpenAPI document of a project, made by a process of its own.

    Raises:
        ClientNotMade: The project cannot be loaded.
    """
    hosted = (project.folder / project.package / "asgi.py").exists()
    name = "foretell_app" if hosted else "app"
    with tempfile.TemporaryDirectory(prefix="foretell-openapi-") as data:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        ours = {"APP": f"{project.package}.app:{name}", "DATA_DIR": data}
        done = subprocess.run(
            [sys.executable, "-m", "foretell", "openapi", "--local"],
            cwd=project.folder,
            env=kept | {f"{PREFIX}{key}": value for key, value in ours.items()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode:
        raise ClientNotMade("\n".join(done.stderr.strip().splitlines()[-6:]))
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def client_files(package: str, name: str, document: Mapping[str, Any]) -> Files:
    """The client's module and a test of it.

    Raises:
        ClientNotMade: The document has no resource.
    """
    module = identifier("client", name)
    found = sorted(_resources(document["paths"]))
    if not found:
        raise ClientNotMade("The project has no resource: generate one first.")
    schemas = document["components"]["schemas"]
    shapes = [_shape(shape, schemas[shape]) for shape in _needed(found, schemas)]
    class_name = f"{ResourceName(module).class_name}Client"
    attributes = [
        f"        self.{rows.attribute} = Rows[{rows.read}, {rows.create}, "
        f'{rows.update}, {rows.page}](http, "{rows.address}")'
        for rows in found
    ]
    words = {"package": package, "name": module, "class_name": class_name}
    return {
        PurePosixPath(package, "clients", f"{module}.py"): render(
            "client.py",
            shapes="\n\n\n".join(shapes),
            attributes="\n".join(attributes),
            **words,
        ),
        PurePosixPath("tests", f"test_{module}_client.py"): render(
            "client_test.py",
            attribute=found[0].attribute,
            imports=import_block(
                {
                    "pytest:",
                    "httpx2.AsyncClient",
                    f"{package}.clients.{module}.{class_name}",
                    f"{package}.clients.{module}.Refused",
                },
                package,
            ),
            **words,
        ),
    }


def _resources(paths: Mapping[str, Any]) -> Iterator[_Rows]:
    """Addresses that lists, rows and changes are served at, as a resource has them."""
    for address, methods in paths.items():
        one = paths.get(f"{address}/{{id}}")
        if one is None or not {"get", "post"} <= set(methods) or "patch" not in one:
            continue
        if f"{address}/bulk" not in paths:
            continue
        read = _answer(one["get"], "200")
        names = (
            read,
            _body(methods["post"]),
            _body(one["patch"]),
            _answer(methods["get"], "200"),
        )
        if all(names):
            yield _Rows(address, *names)


def _answer(operation: Mapping[str, Any], status: str) -> str:
    return _schema_name(operation["responses"].get(status, {}))


def _body(operation: Mapping[str, Any]) -> str:
    return _schema_name(operation.get("requestBody", {}))


def _schema_name(part: Mapping[str, Any]) -> str:
    schema = part.get("content", {}).get("application/json", {}).get("schema", {})
    return _referred(schema)


def _referred(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _needed(found: list[_Rows], schemas: Mapping[str, Any]) -> list[str]:
    """Names of the schemas of the resources, and of those they are made of."""
    names: list[str] = []
    ahead = [name for rows in found for name in (rows.read, *rows[2:])]
    while ahead:
        name = ahead.pop(0)
        if name not in names:
            names.append(name)
            ahead += _names_in(schemas[name])
    return sorted(names)


def _names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield _referred(schema)
        for part in schema.values():
            yield from _names_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _names_in(part)


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    lines = [
        f"    {key}: {_python(part) if key in required else _optional(part)}"
        for key, part in schema.get("properties", {}).items()
    ]
    return "\n".join([f"class {name}(TypedDict):", *(lines or ["    pass"])])


def _optional(schema: Mapping[str, Any]) -> str:
    return f"NotRequired[{_python(schema)}]"


def _python(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _referred(schema)
    if "anyOf" in schema:
        kinds = dict.fromkeys(_python(part) for part in schema["anyOf"])
        return "Any" if "Any" in kinds else " | ".join(kinds)
    if schema.get("type") == "array":
        return f"list[{_python(schema.get('items', {}))}]"
    return _PLAIN.get(str(schema.get("type")), "Any")
