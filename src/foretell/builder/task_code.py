"""The files of one task: its function and its tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self

from foretell.builder.errors import FieldRefused
from foretell.builder.fields import Field, make_field, parse_fields
from foretell.builder.names import identifier
from foretell.builder.rendering import Files, import_block, render
from foretell.builder.specification import TaskSpec


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """A task to write."""

    name: str
    args: tuple[Field, ...]
    max_attempts: int = 3
    timeout_seconds: int = 3600
    description: str = ""

    @classmethod
    def of(cls, name: str, spec: TaskSpec) -> Self:
        """The plan that a spec file asks for."""
        return cls(
            identifier("task", name),
            tuple(make_field(arg, kind) for arg, kind in spec.args.items()),
            spec.max_attempts,
            spec.timeout_seconds,
            spec.description,
        )

    @classmethod
    def parse(cls, name: str, fields: Sequence[str]) -> Self:
        """The plan that a command line asks for.

        Raises:
            FieldRefused: An argument is a reference, or marked as a column.
        """
        args = parse_fields(fields)
        for text, arg in zip(fields, args, strict=True):
            if arg.target or arg.is_unique or arg.is_indexed:
                raise FieldRefused(text, "an argument has a plain type, such as str?")
        return cls(identifier("task", name), tuple(args))


def task_files(package: str, plan: TaskPlan) -> Files:
    """The task and its tests."""
    return {
        PurePosixPath(package, "tasks", f"{plan.name}.py"): _function(package, plan),
        PurePosixPath("tests", f"test_{plan.name}.py"): _tests(package, plan),
    }


def _function(package: str, plan: TaskPlan) -> str:
    imports = {"foretell.JobContext", f"{package}.extension.{package}"}
    for arg in plan.args:
        imports.update(arg.type.imports)
    # Python wants those that may be left out behind the others.
    ordered = sorted(plan.args, key=lambda arg: arg.is_nullable)
    parameters = ", ".join(
        ["job: JobContext", *(f"{arg.name}: {_annotation(arg)}" for arg in ordered)]
    )
    if plan.args:
        imports.add("typing.Any")
    given = ", ".join(f'"{arg.name}": {arg.name}' for arg in plan.args)
    return render(
        "task.py",
        package=package,
        name=plan.name,
        imports=import_block(imports, package),
        options=f"max_attempts={plan.max_attempts}, "
        f"timeout_seconds={plan.timeout_seconds}",
        parameters=parameters,
        answer="dict[str, Any]" if plan.args else "None",
        description=plan.description
        or f"Do the work of {plan.name} in the background.",
        returns=f"\n    return {{{given}}}" if plan.args else "",
    )


def _annotation(arg: Field) -> str:
    return arg.annotation + (" = None" if arg.is_nullable else "")


def _tests(package: str, plan: TaskPlan) -> str:
    wrong = next((arg for arg in plan.args if arg.type.wrong), None)
    given = {arg.name: arg.sample(1) for arg in plan.args if not arg.is_nullable}
    return render(
        "task_test.py",
        imports=import_block(
            {
                "httpx2.AsyncClient",
                "collections.abc.Awaitable",
                "collections.abc.Callable",
            }
        ),
        package=package,
        name=plan.name,
        args=", ".join(f'"{name}": {value}' for name, value in given.items()),
        wrong_arg=wrong.name if wrong else "no_such_argument",
        wrong=wrong.type.wrong if wrong else "1",
    )
