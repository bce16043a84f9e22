"""The extensions that one process uses, and what they add together."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import Table, inspect

from foretell.core.branches import Branch
from foretell.core.connectors import Connector
from foretell.core.db import Base
from foretell.core.permissions import DeclaredScope, Permissions
from foretell.core.principal import Role
from foretell.expressions.own import OwnFunction
from foretell.extension.definition import OWNER_KEY, Extension
from foretell.extension.errors import ExtensionInvalid
from foretell.jobs.ports import Executor
from foretell.jobs.registry import TaskRegistry
from foretell.tabular.python_steps import PythonStep


class Extensions:
    """Extensions in the order in which they were named, each once.

    Raises:
        ExtensionInvalid: Two have one name, or names that differ by - and _ alone.
    """

    def __init__(self, items: Iterable[Extension] = ()) -> None:
        self._items: dict[str, Extension] = {}
        for item in items:
            known = self._items.setdefault(item.label, item)
            if known is not item:
                raise ExtensionInvalid(
                    f"The extensions {known.name!r} of {known.home} and {item.name!r} "
                    f"of {item.home} have one name, but for - and _."
                )
        for item in self:
            item.load()
        self._claim_tables()

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def tasks(self) -> TaskRegistry:
        """All their tasks.

        Raises:
            ExtensionInvalid: One needs a scope that nobody declares.
        """
        registry = TaskRegistry().include(*(item.tasks for item in self))
        permissions = self.permissions()
        for task in registry:
            if task.scope and permissions.unknown([task.scope]):
                raise ExtensionInvalid(
                    f"The task {task.name} needs the scope {task.scope!r}, "
                    "which nobody declares."
                )
        return registry

    def permissions(self) -> Permissions:
        """What the roles give, with the scopes of resources and extensions."""
        return Permissions(scope for item in self for scope in _scopes_of(item))

    def functions(self) -> dict[str, OwnFunction]:
        """What they add to the expression language, by name."""
        return self._merged("functions")

    def steps(self) -> dict[str, PythonStep]:
        """Their recipe steps, by name."""
        return self._merged("steps")

    def flavours(self) -> dict[str, str]:
        """Where their flavours are, `module:name`, by the name of the flavour."""
        return self._merged("flavours")

    def connectors(self) -> dict[str, Callable[[], Connector]]:
        """What makes their connectors, by scheme."""
        return self._merged("connectors")

    def executors(self) -> dict[str, Callable[[], Executor]]:
        """What makes their executors, by name."""
        return self._merged("executors")

    def _merged(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in self:
            for name, value in getattr(item, kind).items():
                if name in found:
                    raise ExtensionInvalid(
                        f"Two extensions have {name!r} among their {kind}."
                    )
                found[name] = value
        return found

    def branches(self) -> tuple[Branch, ...]:
        """Their branches of migrations."""
        return tuple(
            Branch(item.name, item.label, item.migrations, _tables_of(item))
            for item in self
            if item.migrations is not None
        )

    def _claim_tables(self) -> None:
        """Give models without an owner to the extension whose package they are in."""
        for model in _models_below(Base):
            table, module = inspect(model).local_table, model.__module__
            if not isinstance(table, Table) or OWNER_KEY in table.info:
                continue
            near = [item for item in self if _is_within(module, _package(item))]
            if near:
                max(near, key=lambda item: len(_package(item))).table(table)


def _models_below(base: type[Base]) -> Iterator[type[Base]]:
    """Mapped classes. The registry's own list fails on a class whose declaration was
    refused and that is not collected yet."""
    for model in base.__subclasses__():
        if inspect(model, raiseerr=False) is not None:
            yield model
        yield from _models_below(model)


def _scopes_of(extension: Extension) -> Iterator[DeclaredScope]:
    yield from extension.scopes
    for resource in extension.resources:
        yield DeclaredScope(resource.read_scope, Role.VIEWER, owner=extension.name)
        yield DeclaredScope(resource.write_scope, Role.EDITOR, owner=extension.name)


def _tables_of(extension: Extension) -> frozenset[str]:
    tables = Base.metadata.tables.values()
    return frozenset(t.name for t in tables if t.info.get(OWNER_KEY) == extension.name)


def _package(extension: Extension) -> str:
    return extension.home.rpartition(".")[0] or extension.home


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
