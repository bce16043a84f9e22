"""The files of a whole project: equal choices, equal bytes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from foretell.builder.fields import parse_fields
from foretell.builder.five_patterns_code import five_patterns_files
from foretell.builder.host_code import HOSTS, host_files
from foretell.builder.names import ProjectName, resource_name
from foretell.builder.provision_code import provision_files
from foretell.builder.rendering import Files, import_block, render
from foretell.builder.resource_code import ResourcePlan, resource_files
from foretell.builder.service_code import DATABASE_EXTRAS, env_lines, service_files
from foretell.builder.specification import Spec, resource_plans
from foretell.builder.task_code import TaskPlan, task_files
from foretell.builder.training_code import training_files

Style = Literal["minimal", "api", "ml", "five_patterns"]
_NOTE = ResourcePlan(
    resource_name("note"),
    tuple(parse_fields(["title:str", "body:text?", "done:bool^"])),
)
_DEV = (
    "black>=26.10",
    "mypy>=2.4",
    "pytest>=9.2",
    "pytest-asyncio>=1.5",
    "ruff>=0.17",
)


@dataclass(frozen=True, slots=True)
class Project:
    """What `foretell new` was asked for.

    Attributes:
        spec: What the project holds; the example of `style` when not given.
    """

    name: ProjectName
    style: Style = "api"
    spec: Spec = field(default_factory=Spec)
    has_spec: bool = False

    @property
    def package(self) -> str:
        return self.name.package

    @property
    def has_example(self) -> bool:
        return self.style in ("api", "ml") and not self.has_spec

    @property
    def is_hosted(self) -> bool:
        return self.spec.host != "fastapi"

    @property
    def resources(self) -> list[ResourcePlan]:
        return [_NOTE] if self.has_example else resource_plans(self.spec)

    @property
    def application(self) -> str:
        return f"{self.package}.{'asgi' if self.is_hosted else 'app'}:app"

    @property
    def description(self) -> str:
        return self.spec.description or "A backend on Foretell."


def project_files(project: Project) -> Files:
    """Every file of the project but its migrations, which are made from its models."""
    package, spec = project.package, project.spec
    files: Files = {}
    for plan in project.resources:
        files |= resource_files(package, plan)
    for name, part in spec.tasks.items():
        files |= task_files(package, TaskPlan.of(name, part))
    if project.has_example:
        files |= _example(package)
    if project.style == "ml":
        files |= training_files(package)
    files |= provision_files(package, spec)
    files |= service_files(project.name, spec)
    if project.is_hosted:
        files |= host_files(package, spec.host)
    files |= _packages(package, files)
    files |= _application(project, files)
    if project.style == "five_patterns":
        files |= five_patterns_files(package)
    files |= _top(project, files)
    return dict(sorted(files.items()))


def _example(package: str) -> Files:
    task = f"{package}.tasks.count_open_notes.count_open_notes"
    model = f"{package}.resources.note.Note"
    own = f"{package}.extension.{package}"
    public = {"foretell.JobContext", "sqlalchemy.func", "sqlalchemy.select"}
    routed = {"foretell.JobRead", "foretell.Jobs"}
    return {
        PurePosixPath(package, "tasks", "count_open_notes.py"): render(
            "count_task.py",
            package=package,
            imports=import_block({model, own, *public}, package),
        ),
        PurePosixPath(package, "routes.py"): render(
            "routes.py",
            package=package,
            imports=import_block({task, own, *routed}, package),
        ),
        PurePosixPath("tests", "test_counting.py"): render(
            "count_test.py",
            package=package,
            imports=import_block(
                {
                    "collections.abc.Awaitable",
                    "collections.abc.Callable",
                    "httpx2.AsyncClient",
                    "tests.examples.note.make_note",
                },
                "tests",
            ),
        ),
    }


# What the docstring of a folder's `__init__.py` says.
_FOLDERS = {
    "resources": "Tables with an API of their own, one a file.",
    "tasks": "What runs in the background, one task a file.",
    "features": "Inputs of models made from raw records, one a file.",
    "clients": "Typed clients of the project's API, for other programs.",
    "tests": "Tests of the project.",
    "examples": "Makers of rows for tests.",
    "site": "The site beside Foretell.",
}


def _packages(package: str, files: Files) -> Files:
    folders = {path.parent for path in files if path.suffix == ".py"}
    folders |= {PurePosixPath(package), PurePosixPath("tests")}
    return {
        folder / "__init__.py": package_file(package, folder)
        for folder in folders
        if folder.parts
    }


def package_file(package: str, folder: PurePosixPath) -> str:
    """The `__init__.py` of a folder: one docstring."""
    words = _FOLDERS.get(folder.name, f"The project {package}.")
    return render("package.py", description=words)


def _application(project: Project, files: Files) -> Files:
    package = project.package
    own = f"{package}.extension.{package}"
    template = "host_app.py" if project.is_hosted else "app.py"
    made = {
        PurePosixPath(package, "app.py"): render(
            template,
            package=package,
            imports=import_block({"foretell.create_app", own}, package),
        ),
        PurePosixPath("tests", "conftest.py"): render(
            "conftest.py",
            package=package,
            imports=import_block({"pytest:", "foretell.Extension", own}, package),
        ),
        PurePosixPath(package, "extension.py"): _extension(project, files),
    }
    if project.style == "minimal" and not project.has_spec:
        made[PurePosixPath("tests", "test_hello.py")] = render(
            "minimal_test.py", package=package
        )
    return made


def _extension(project: Project, files: Files) -> str:
    package = project.package
    if project.style == "minimal" and not project.has_spec:
        imports = {"pydantic.BaseModel", "foretell.CurrentUser", "foretell.Extension"}
        return render(
            "minimal_extension.py",
            package=package,
            imports=import_block(imports),
        )
    parts = [
        name
        for name in ("resources", "tasks")
        if PurePosixPath(package, name, "__init__.py") in files
    ]
    if PurePosixPath(package, "routes.py") in files:
        parts.append("routes")
    return render(
        "extension.py",
        package=package,
        imports="from foretell import Extension",
        modules=", ".join(f'"{package}.{part}"' for part in parts),
    )


def _top(project: Project, files: Files) -> Files:
    return {PurePosixPath(name): make(project, files) for name, make in _TOP.items()}


def _pyproject(project: Project, _files: Files) -> str:
    spec = project.spec
    extras = [*DATABASE_EXTRAS[spec.db], *(["celery"] if spec.jobs == "celery" else [])]
    foretell = f"foretell[{','.join(extras)}]>=0.1" if extras else "foretell>=0.1"
    needs = [foretell, *HOSTS[spec.host].dependencies]
    untyped = HOSTS[spec.host].untyped + (
        ["joblib.*", "sklearn.*"] if project.style == "ml" else []
    )
    return render(
        "pyproject.toml",
        name=project.name.text,
        package=project.package,
        description=_toml_text(project.description),
        dependencies=_listed(needs),
        dev_dependencies=_listed(_DEV),
        mypy_more=_untyped(untyped),
    )


def _untyped(modules: Sequence[str]) -> str:
    if not modules:
        return ""
    return (
        "\n[[tool.mypy.overrides]]\n"
        f"module = {json.dumps(list(modules))}\n"
        "ignore_missing_imports = true\n"
    )


def _listed(items: Sequence[str]) -> str:
    return "\n".join(f'    "{item}",' for item in sorted(items))


def _toml_text(text: str) -> str:
    # What JSON escapes, TOML escapes alike; the quotes stand in the template.
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _settings(project: Project, _files: Files) -> str:
    auth = project.spec.auth
    more = []
    if auth.signup == "open":
        more.append('signup = "open"')
    if auth.password_min != 8:
        more.append(f"password_min = {auth.password_min}")
    return (
        render("foretell.toml", app=project.application, more="\n".join(more)).rstrip(
            "\n"
        )
        + "\n"
    )


def _env(project: Project, _files: Files) -> str:
    return render("env", lines="\n".join(env_lines(project.name, project.spec)))


def _gitignore(project: Project, _files: Files) -> str:
    return render("gitignore")


def _readme(project: Project, files: Files) -> str:
    rows = [
        f"| `{path}` | {words} |"
        for path, words in _described(project.package)
        if PurePosixPath(path) in files
        or any(PurePosixPath(path) in there.parents for there in files)
    ]
    address = "http://127.0.0.1:8000" + ("/ft" if project.is_hosted else "")
    start = (
        "foretell serve"
        if project.spec.db == "sqlite"
        else (
            "cp .env.example .env      # then fill in\ndocker compose up -d\nforetell serve"
        )
    )
    return (
        render(
            "README.md",
            name=project.name.text,
            description=project.description,
            start=start,
            docs_line=f"The API describes itself at {address}/docs.",
            files="\n".join(rows),
            more=_more(project),
        ).rstrip("\n")
        + "\n"
    )


def _described(package: str) -> list[tuple[str, str]]:
    return [
        (f"{package}/extension.py", "what the project adds to Foretell"),
        (f"{package}/app.py", "the application"),
        (f"{package}/asgi.py", "Foretell and the site in one process"),
        (f"{package}/site", "the site"),
        (f"{package}/resources", "tables with an API of their own, one a file"),
        (f"{package}/routes.py", "routes of the project's own"),
        (f"{package}/tasks", "work in the background, one task a file"),
        (f"{package}/features", "inputs of models, one a file"),
        (f"{package}/training.py", "trains the example model"),
        (
            f"{package}/provision.py",
            "brings datasets, models and schedules to a server",
        ),
        ("backend.toml", "the spec this project was made from"),
        ("tests", "tests, on an empty database each"),
        ("compose.yaml", "the services around it"),
    ]


def _more(project: Project) -> str:
    parts = []
    if project.spec.jobs == "celery":
        parts.append(
            "\n## Production\n\n"
            "Jobs run in the server's own workers here. In production Celery carries "
            "them:\ncopy `.env.production.example` to `.env.production`, fill it in and "
            "run\n`docker compose --profile production up -d`.\n"
        )
    return "".join(parts)


_TOP: dict[str, Callable[[Project, Files], str]] = {
    "pyproject.toml": _pyproject,
    "foretell.toml": _settings,
    ".env.example": _env,
    ".gitignore": _gitignore,
    "README.md": _readme,
}
