"""`Extension`: everything that a team adds to Foretell, under one name.

An extension only collects. What it collected takes effect in `create_app` and in the
workers, which see the same extension, so a module that makes one can be imported
anywhere, at any time, and costs nothing but its own imports: FastAPI is loaded only
when `router` is asked for.
"""

import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sqlalchemy import Table

from foretell.core.connectors import Connector
from foretell.core.ids import is_name
from foretell.core.permissions import DeclaredScope
from foretell.core.principal import Role
from foretell.expressions.own import OwnFunction
from foretell.extension.errors import ExtensionInvalid
from foretell.jobs.ports import Executor
from foretell.jobs.registry import TaskRegistry
from foretell.tabular.python_steps import PythonStep

if TYPE_CHECKING:
    from fastapi import APIRouter

    from foretell.http.problems import Renderer

Function = TypeVar("Function", bound=Callable[..., Any])
Model = TypeVar("Model", bound=type[Any])
Made = TypeVar("Made", bound=Callable[..., Any])
AnyTable = TypeVar("AnyTable", bound="type[Any] | Table")
Lifespan = Callable[[Any], AsyncIterator[None]]
"""An async generator function of the application's parts that yields once."""
RESERVED_NAMES = frozenset({"foretell", "base", "head", "heads"})
OWNER_KEY = "extension"
"""Key of `Table.info` under which the extension that owns a table stands."""


class Extension:
    """What a team adds to Foretell: routes, tasks, resources, tables, scopes.

    Args:
        name: `[a-z0-9][a-z0-9_-]*`; part of addresses, task names and migrations.
        prefix: Where its routes live; `/api/ext/NAME` when not given. Any path that
            Foretell itself does not serve is free.
        token_scheme: What `Authorization` may start with under the prefix beside
            `Bearer`: `Token` for clients that send `Authorization: Token …`.
        problem_renderer: Renders every refusal under the prefix, in place of RFC 9457.
        migrations: Folder of its Alembic versions; `migrations` beside the module
            that makes the extension when not given.
        modules: Modules and packages to import when the extension is taken into use;
            packages with all that is in them. They register what they hold, and no
            list of imports has to be kept.
    """

    def __init__(
        self,
        name: str,
        *,
        prefix: str | None = None,
        token_scheme: str = "Bearer",  # noqa: S107 - no password
        problem_renderer: "Renderer | None" = None,
        migrations: str | Path | None = None,
        modules: Iterable[str] = (),
    ) -> None:
        if not is_name(name) or name in RESERVED_NAMES:
            raise ExtensionInvalid(
                f"{name!r} cannot name an extension: use a-z, 0-9, - and _, "
                f"at most 63, and none of {', '.join(sorted(RESERVED_NAMES))}."
            )
        caller = sys._getframe(1).f_globals
        self.name = name
        self.home: str = caller.get("__name__", "__main__")
        self.prefix = f"/api/ext/{name}" if prefix is None else prefix
        self.has_own_prefix = prefix is not None
        self.token_scheme = token_scheme
        self.problem_renderer = problem_renderer
        self.migrations = _folder(migrations, caller)
        self.modules = tuple(modules)
        self.tasks = TaskRegistry()
        self.scopes: list[DeclaredScope] = []
        self.resources: list[Any] = []
        self.lifespans: list[Lifespan] = []
        self.functions: dict[str, OwnFunction] = {}
        self.steps: dict[str, PythonStep] = {}
        self.flavours: dict[str, str] = {}
        self.connectors: dict[str, Callable[[], Connector]] = {}
        self.executors: dict[str, Callable[[], Executor]] = {}

    def __repr__(self) -> str:
        return f"Extension({self.name!r})"

    @property
    def label(self) -> str:
        """Its branch of migrations; Alembic reads `-` as arithmetic."""
        return self.name.replace("-", "_")

    # --- routes ---------------------------------------------------------------

    @cached_property
    def router(self) -> "APIRouter":
        """Its routes, below `prefix`. One that declares neither `requires(...)` nor
        `public` needs a signed-in caller."""
        from fastapi import APIRouter

        return APIRouter(tags=[self.name])

    def include_router(self, router: "APIRouter", **options: Any) -> None:
        """Add all routes of a router of your own.

        Args:
            options: Those of FastAPI's `include_router`: `prefix`, `dependencies`, …
        """
        self.router.include_router(router, **options)

    # --- tasks ----------------------------------------------------------------

    @overload
    def task(self, function: Function, /) -> Function: ...

    @overload
    def task(
        self, /, *, name: str | None = None, **options: Any
    ) -> Callable[[Function], Function]: ...

    def task(
        self, function: Any = None, /, *, name: str | None = None, **options: Any
    ) -> Any:
        """Register a function that jobs run; it stays callable as it is.

        Its first parameter is the `JobContext`, the others are its arguments, by
        name and type. It may be a coroutine or a plain function.

        Args:
            name: Its name after `EXTENSION.`; the function's own when not given.
            options: Fields of `foretell.jobs.registry.Task`: `max_attempts`,
                `timeout_seconds`, `scope`, `guard`, `queue`, `is_exposed`, …
        """

        def register(function: Function) -> Function:
            full = f"{self.name}.{name or function.__name__}"
            return self.tasks.task(full, **options)(function)

        return register if function is None else register(function)

    # --- tables ---------------------------------------------------------------

    @overload
    def resource(self, model: Model, /) -> Model: ...

    @overload
    def resource(self, /, **options: Any) -> Callable[[Model], Model]: ...

    def resource(self, model: Any = None, /, **options: Any) -> Any:
        """Serve a declarative model as a CRUD API, its table in our migrations.

        Args:
            options: Of `foretell.resources.describing.describe`: `path`, `owned`,
                `expand`, `readable_by`, …
        """

        def register(model: Model) -> Model:
            from foretell.resources.describing import describe

            if self.has_own_prefix:
                options.setdefault("prefix", self.prefix)
            self.table(model)
            self.resources.append(describe(model, **options))
            return model

        return register if model is None else register(model)

    def table(self, table: AnyTable, /) -> AnyTable:
        """Count a model or table without an API of its own among its migrations.

        Models in the package of the extension's module need no word: they are its.
        """
        found: Any = table if isinstance(table, Table) else table.__table__
        owner = found.info.setdefault(OWNER_KEY, self.name)
        if owner != self.name:
            raise ExtensionInvalid(
                f"The table {found.name!r} belongs to the extension {owner!r}; "
                f"{self.name!r} cannot have it too."
            )
        return table

    # --- tables of data and models ----------------------------------------------

    @overload
    def function(self, function: Function, /) -> Function: ...

    @overload
    def function(
        self, /, *, name: str | None = None
    ) -> Callable[[Function], Function]: ...

    def function(self, function: Any = None, /, *, name: str | None = None) -> Any:
        """Add a function to the expression language: `where=vat(price) > 100`.

        Args:
            name: Its name in the language; the function's own when not given.
        """

        def register(function: Function) -> Function:
            own = OwnFunction.of(function, name)
            _put(self.functions, own.name, own)
            return function

        return register if function is None else register(function)

    @overload
    def step(self, function: Function, /) -> Function: ...

    @overload
    def step(self, /, *, name: str | None = None) -> Callable[[Function], Function]: ...

    def step(self, function: Any = None, /, *, name: str | None = None) -> Any:
        """Register a recipe step: a function of a table and options. The table is a
        `polars.LazyFrame`, or what the first parameter is annotated with: a
        `polars.DataFrame` or `pandas.DataFrame`."""

        def register(function: Function) -> Function:
            full = f"{self.name}.{name or function.__name__}"
            _put(self.steps, full, PythonStep.of(function, full))
            return function

        return register if function is None else register(function)

    def flavour(self, name: str, place: str | None = None) -> Callable[[Made], Made]:
        """Add a kind of model artifact, `foretell.models.ports.Flavour`.

        It is opened in sandboxed children, which import its module. So that the
        server does not load its library too, name it instead of decorating it:
        `shop.flavour("gguf", "shop.gguf:Gguf")`.
        """
        if place is not None:
            _put(self.flavours, name, place)

        def register(kind: Made) -> Made:
            if place is None:
                _put(self.flavours, name, f"{kind.__module__}:{kind.__qualname__}")
            return kind

        return register

    def connector(self, scheme: str) -> Callable[[Made], Made]:
        """Register a class (or function) that makes the `Connector` of a scheme."""
        return _registering(self.connectors, scheme)

    def executor(self, name: str) -> Callable[[Made], Made]:
        """Register a class (or function) that makes an `Executor`."""
        return _registering(self.executors, name)

    # --- the rest -------------------------------------------------------------

    def scope(
        self, name: str, *, role: Role | str = Role.EDITOR, description: str = ""
    ) -> str:
        """Declare a scope, for `requires(...)`, keys and tokens; answers its name.

        Args:
            name: `kind:action`, such as `orders:refund`.
            role: The least role that gives it.
        """
        declared = DeclaredScope(name, Role(role), description, self.name)
        self.scopes.append(declared)
        return declared.name

    def lifespan(self, function: Lifespan, /) -> Lifespan:
        """Run an async generator around the serving: up to `yield` at the start,
        the rest at the end. It gets the application's parts. Workers do not run it.
        """
        self.lifespans.append(function)
        return function

    def load(self) -> None:
        """Import the modules it names. Twice does nothing more."""
        for name in self.modules:
            module = import_module(name)
            for found in walk_packages(getattr(module, "__path__", ()), f"{name}."):
                import_module(found.name)


def _registering(into: dict[str, Any], name: str) -> Callable[[Made], Made]:
    def register(made: Made) -> Made:
        _put(into, name, made)
        return made

    return register


def _put(into: dict[str, Any], name: str, value: Any) -> None:
    if name in into:
        raise ExtensionInvalid(f"{name!r} is registered twice.")
    into[name] = value


def _folder(given: str | Path | None, caller: Mapping[str, Any]) -> Path | None:
    file = caller.get("__file__")
    beside = Path(file).resolve().parent if file else None
    if given is None:
        return beside / "migrations" if beside else None
    return (beside or Path.cwd()) / given
