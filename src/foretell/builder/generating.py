"""`foretell generate`: parts of a project that is there.

Parts are files of their own. The one line that is ever changed names a new package in
`Extension(..., modules=[...])`, so that what is in it is found from then on.
"""

from pathlib import Path, PurePosixPath

from foretell.builder.dataset_code import DatasetColumns, loader_files
from foretell.builder.errors import FieldRefused, NothingToMigrate
from foretell.builder.existing import ExistingProject, add_module
from foretell.builder.migrating import migrations_of
from foretell.builder.project_code import package_file
from foretell.builder.rendering import Files
from foretell.builder.resource_code import ResourcePlan, resource_files
from foretell.builder.specification import check_references
from foretell.builder.task_code import TaskPlan, task_files
from foretell.builder.writing import Contents, Written, change, plan, write

# Packages of a project that its extension imports, so that they register themselves.
GROUPS = ("resources", "tasks", "features")


def generate_resource(
    project: ExistingProject,
    resource: ResourcePlan,
    source: DatasetColumns | None = None,
    *,
    is_dry_run: bool = False,
) -> list[Written]:
    """Write a resource with its tests and its migration.

    Args:
        source: The dataset whose rows a task, written too, brings into the table.

    Raises:
        FieldRefused: It refers to a resource that is not there.
        FilesDiffer: A file of it is there already; nothing was written.
        MigrationFailed: The project cannot be imported as it is.
    """
    check_references(resource, project.resources())
    _demand_makers(project, resource)
    files = resource_files(project.package, resource)
    if source is not None:
        files |= loader_files(project.package, resource, source)
    return _add(project, files, resource.name.plural, is_dry_run=is_dry_run)


def generate_task(
    project: ExistingProject, task: TaskPlan, *, is_dry_run: bool = False
) -> list[Written]:
    """Write a task with its tests."""
    files = task_files(project.package, task)
    return _add(project, files, None, is_dry_run=is_dry_run)


def generate_migration(
    project: ExistingProject, message: str, *, is_dry_run: bool = False
) -> list[Written]:
    """Write the migration from what the models have and the migrations make not.

    Raises:
        NothingToMigrate: There is no such difference.
    """
    made = migrations_of(project.package, project.sources(), message)
    if not made:
        raise NothingToMigrate
    return (plan if is_dry_run else write)(project.folder, made)


def add_files(
    project: ExistingProject, files: Files, *, is_dry_run: bool = False
) -> list[Written]:
    """Write files that need no migration, and have the extension import them."""
    return _add(project, files, None, is_dry_run=is_dry_run)


def _add(
    project: ExistingProject, files: Files, message: str | None, *, is_dry_run: bool
) -> list[Written]:
    changed = _with_modules(project, files)
    files = files | _missing_packages(project, files)
    found = plan(project.folder, files)
    if message is not None and any(item.state == "new" for item in found):
        whole: Contents = project.sources() | files | changed
        files = files | migrations_of(project.package, whole, message)
    if is_dry_run:
        changes = [Written(str(path), "changed") for path in changed]
        return plan(project.folder, files) + changes
    written = write(project.folder, files)
    return written + [change(project.folder, p, text) for p, text in changed.items()]


def _with_modules(project: ExistingProject, files: Files) -> Files:
    """`extension.py`, when it must name packages that it does not know."""
    groups = {path.parts[1] for path in files if _is_in_group(project, path)}
    extension = PurePosixPath(project.package, "extension.py")
    text, source = None, project.extension_source()
    for group in sorted(groups):
        text = add_module(text or source, f"{project.package}.{group}") or text
    return {} if text is None else {extension: text}


def _is_in_group(project: ExistingProject, path: PurePosixPath) -> bool:
    return path.parts[0] == project.package and path.parts[1] in GROUPS


def _missing_packages(project: ExistingProject, files: Files) -> Files:
    folders = {path.parent for path in files if path.suffix == ".py"}
    return {
        folder / "__init__.py": package_file(project.package, folder)
        for folder in sorted(folders)
        if not (project.folder / folder / "__init__.py").exists()
    }


def _demand_makers(project: ExistingProject, resource: ResourcePlan) -> None:
    for field, target in resource.references:
        file = Path("tests", "examples", f"{target.singular}.py")
        if target != resource.name and not (project.folder / file).is_file():
            raise FieldRefused(
                f"{field.name}:ref:{target.singular}",
                f"{file} is not there: it has to make a {target.words} for the tests",
            )
