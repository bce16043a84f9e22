"""`provision.py` of a project: what a server holds that no migration can make."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from foretell.builder.rendering import Files, import_block, render
from foretell.builder.specification import ScheduleSpec, Spec

_PARTS = ("datasets", "models", "schedules", "roles")


def provision_files(package: str, spec: Spec) -> Files:
    """The module, when there is anything to bring to a server."""
    values: dict[str, dict[str, Any]] = {
        "datasets": {
            n: d.model_dump(exclude_defaults=True) for n, d in spec.datasets.items()
        },
        "models": {
            n: m.model_dump(exclude_defaults=True) for n, m in spec.models.items()
        },
        "schedules": {
            n: _schedule(package, spec, s) for n, s in spec.schedules.items()
        },
        "roles": dict(spec.auth.roles),
    }
    parts = [name for name in _PARTS if values[name]]
    if not parts:
        return {}
    imports = {"foretell.client.Client"}
    if "datasets" in parts or "models" in parts:
        imports.add("pathlib.Path")
    if parts != ["roles"]:
        imports.add("typing.Any")
    source = render(
        "provision.py",
        package=package,
        imports=import_block(imports),
        root=(
            "\nROOT = Path(__file__).resolve().parents[1]"
            if "pathlib.Path" in imports
            else ""
        ),
        constants="\n".join(_constant(name, values[name]) for name in parts),
        calls="\n".join(f"        _{name}(client)" for name in parts),
        functions="\n\n\n".join(
            render(f"provision_{name}.py").rstrip() for name in parts
        ),
    )
    return {PurePosixPath(package, "provision.py"): source}


def _schedule(package: str, spec: Spec, schedule: ScheduleSpec) -> dict[str, Any]:
    body = schedule.model_dump(exclude_none=True)
    if schedule.task in spec.tasks:
        body["task"] = f"{package}.{schedule.task}"
    return body


def _constant(name: str, value: Mapping[str, Any]) -> str:
    kind = "dict[str, str]" if name == "roles" else "dict[str, dict[str, Any]]"
    items = "".join(
        f"    {literal(key)}: {literal(item)},\n" for key, item in value.items()
    )
    return f"{name.upper()}: {kind} = {{\n{items}}}"


def literal(value: Any) -> str:
    """Python source of a JSON-like value, quotes double as Black has them."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return (
            "{" + _joined(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + _joined(map(literal, value)) + "]"
    return repr(value)


def _text(value: str) -> str:
    plain = repr(value)
    if plain[0] == '"' or '"' in value:
        return plain
    return '"' + plain[1:-1].replace("\\'", "'") + '"'


def _joined(items: Iterable[str]) -> str:
    return ", ".join(items)
