"""`foretell new` and `foretell generate`: projects on Foretell, and parts of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from foretell.cli.connecting import connected
from foretell.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from foretell.builder.dataset_code import DatasetColumns
    from foretell.builder.specification import Spec
    from foretell.builder.writing import Written

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")
]


def new(
    name: Annotated[
        str | None, typer.Argument(help="Name of the project and of its folder.")
    ] = None,
    minimal: Annotated[
        bool, typer.Option("--minimal", help="One route and one test.")
    ] = False,
    api: Annotated[
        bool,
        typer.Option("--api", help="A resource, a task, a route, tests: the default."),
    ] = False,
    ml: Annotated[
        bool,
        typer.Option("--ml", help="That, and a model from its table to predictions."),
    ] = False,
    db: Annotated[
        Literal["sqlite", "postgres", "mysql"] | None,
        typer.Option(help="Database in production; sqlite without."),
    ] = None,
    jobs: Annotated[
        Literal["embedded", "celery"] | None,
        typer.Option(help="What carries jobs in production; embedded without."),
    ] = None,
    host: Annotated[
        Literal["fastapi", "django", "flask"] | None,
        typer.Option(help="A site of that kind beside Foretell, which is FastAPI."),
    ] = None,
    example: Annotated[
        Literal["five_patterns"] | None,
        typer.Option("--from", help="Begin with an example."),
    ] = None,
    spec: Annotated[
        Path | None, typer.Option(help="TOML file that names what the project holds.")
    ] = None,
    spec_schema: Annotated[
        bool, typer.Option("--spec-schema", help="Print the JSON Schema of such files.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option(help="Folder to write to; ./NAME without.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write a project of your own: few files, all yours, ready to serve and to test."""
    if spec_schema:
        _print_schema()
        return
    from foretell.builder.making import make_project
    from foretell.builder.names import project_name
    from foretell.builder.project_code import Project
    from foretell.builder.specification import AuthSpec

    if name is None:
        raise typer.BadParameter("name the project: foretell new shop")
    style = _style(spec, example, minimal=minimal, api=api, ml=ml)
    content, attachments = _spec(spec, db=db, jobs=jobs, host=host)
    if example:  # two of the five patterns are users who make their own accounts
        content = content.model_copy(update={"auth": AuthSpec(signup="open")})
    project = Project(project_name(name), style, content, has_spec=spec is not None)
    folder = directory or Path(name)
    written = make_project(project, folder, attachments, is_dry_run=dry_run)
    notes = list(_missing(content, attachments))
    if as_json:
        _print_written(folder, written, notes)
        return
    _show(folder, written, is_dry_run=dry_run)
    for note in notes:
        print(f"note: {note}")
    if not dry_run:
        print(f"\nnext:  cd {folder} && foretell serve\ntests: cd {folder} && pytest")


def _style(
    spec: Path | None, example: str | None, **flags: bool
) -> Literal["minimal", "api", "ml", "five_patterns"]:
    chosen = [name for name, is_set in flags.items() if is_set]
    if len(chosen) + (example is not None) > 1:
        raise typer.BadParameter("choose one of --minimal, --api, --ml and --from")
    if spec and (flags["minimal"] or example):
        raise typer.BadParameter("a spec goes with --api or --ml alone")
    if example:
        return "five_patterns"
    return "minimal" if flags["minimal"] else "ml" if flags["ml"] else "api"


def _spec(
    path: Path | None, **choices: str | None
) -> tuple["Spec", dict[PurePosixPath, bytes]]:
    from foretell.builder.spec_file import read_spec
    from foretell.builder.specification import Spec

    content, attachments = read_spec(path) if path else (Spec(), {})
    chosen = {name: value for name, value in choices.items() if value is not None}
    return content.model_copy(update=chosen), attachments


def _missing(content: "Spec", attachments: dict[PurePosixPath, bytes]) -> Iterator[str]:
    """Files that the spec names and that are not beside it."""
    files = [part.file for part in content.datasets.values()]
    files += [part.file for part in content.models.values()]
    for file in files:
        if PurePosixPath(file) not in attachments:
            yield f"{file} is not there yet; provision needs it"


def _print_schema() -> None:
    from foretell.builder.specification import Spec

    print_json(Spec.model_json_schema())


def _print_written(
    folder: Path, written: Sequence["Written"], notes: Sequence[str]
) -> None:
    files = [{"path": item.path, "state": item.state} for item in written]
    print_json({"directory": str(folder), "files": files, "notes": list(notes)})


def _show(folder: Path, written: Sequence["Written"], *, is_dry_run: bool) -> None:
    for item in written:
        print(f"{item.state:<8}{folder / item.path}")
    would = "would be " if is_dry_run else ""
    count = sum(item.state != "same" for item in written)
    print(f"{count} files {would}written")


generate = typer.Typer(help="Add a part to a project.", no_args_is_help=True)

Fields = Annotated[
    list[str] | None,
    typer.Argument(
        help="name:type, then ? optional, ! unique, ^ indexed. Types: str text int "
        "float decimal bool date datetime uuid json ref:NAME.",
        show_default=False,
    ),
]
Project = Annotated[
    Path, typer.Option("--project", help="Folder of the project; this one without.")
]


@generate.command("resource")
def generate_resource(
    name: Annotated[str, typer.Argument(help="In the singular: order_line.")],
    fields: Fields = None,
    owned: Annotated[
        bool, typer.Option("--owned", help="Each row belongs to who made it.")
    ] = False,
    from_dataset: Annotated[
        str | None,
        typer.Option(
            help="Fields from its columns, and a task that fills the table: "
            "a dataset of the server, or a spreadsheet."
        ),
    ] = None,
    project: Project = Path(),
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add a table with an API of its own, its migration and its tests."""
    from foretell.builder import generating
    from foretell.builder.existing import ExistingProject
    from foretell.builder.fields import parse_fields
    from foretell.builder.names import resource_name
    from foretell.builder.resource_code import ResourcePlan

    there = ExistingProject.find(project)
    parsed = parse_fields(fields or [])
    source = _columns(from_dataset) if from_dataset else None
    columns = list(source.fields.values()) if source else []
    if not parsed and not columns:
        raise typer.BadParameter("name its fields, such as title:str done:bool")
    resource = ResourcePlan(resource_name(name), (*parsed, *columns), owned)
    written = generating.generate_resource(there, resource, source, is_dry_run=dry_run)
    _report(project, written, is_dry_run=dry_run, as_json=as_json)


def _columns(name: str) -> "DatasetColumns":
    """The columns of a spreadsheet, if there is one of that name, else of a dataset."""
    from foretell.builder import dataset_code

    path = Path(name)
    if path.is_file():
        columns = dataset_code.columns_of_file(path)
        return dataset_code.dataset_columns(dataset_code.dataset_name(path), columns)
    with connected() as client:
        return dataset_code.dataset_columns(name, client.get_dataset(name)["columns"])


@generate.command("task")
def generate_task(
    name: Annotated[str, typer.Argument(help="A verb: send_welcome.")],
    fields: Fields = None,
    project: Project = Path(),
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add a function that runs in the background, with typed arguments and tests."""
    from foretell.builder import generating
    from foretell.builder.existing import ExistingProject
    from foretell.builder.task_code import TaskPlan

    there = ExistingProject.find(project)
    task = TaskPlan.parse(name, fields or [])
    written = generating.generate_task(there, task, is_dry_run=dry_run)
    _report(project, written, is_dry_run=dry_run, as_json=as_json)


@generate.command("feature")
def generate_feature(
    name: Annotated[str, typer.Argument(help="What it says: rush_hour.")],
    fields: Fields = None,
    project: Project = Path(),
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add a function that makes an input of a model from a raw record, with tests."""
    from foretell.builder import generating
    from foretell.builder.existing import ExistingProject
    from foretell.builder.feature_code import FeaturePlan, feature_files

    there = ExistingProject.find(project)
    files = feature_files(there.package, FeaturePlan.parse(name, fields or []))
    written = generating.add_files(there, files, is_dry_run=dry_run)
    _report(project, written, is_dry_run=dry_run, as_json=as_json)


@generate.command("client")
def generate_client(
    name: Annotated[str, typer.Argument(help="Of its module: shop.")],
    project: Project = Path(),
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add a typed client of the project's resources, for other programs."""
    from foretell.builder import generating
    from foretell.builder.client_code import client_files, openapi_of
    from foretell.builder.existing import ExistingProject

    there = ExistingProject.find(project)
    files = client_files(there.package, name, openapi_of(there))
    written = generating.add_files(there, files, is_dry_run=dry_run)
    _report(project, written, is_dry_run=dry_run, as_json=as_json)


@generate.command("migration")
def generate_migration(
    message: Annotated[str, typer.Argument(help="What it changes, in a few words.")],
    project: Project = Path(),
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add the migration from what the models have and the migrations make not yet."""
    from foretell.builder import generating
    from foretell.builder.existing import ExistingProject

    there = ExistingProject.find(project)
    written = generating.generate_migration(there, message, is_dry_run=dry_run)
    _report(project, written, is_dry_run=dry_run, as_json=as_json)


def _report(
    folder: Path, written: Sequence["Written"], *, is_dry_run: bool, as_json: bool
) -> None:
    if as_json:
        _print_written(folder, written, ())
    else:
        _show(folder, written, is_dry_run=is_dry_run)
