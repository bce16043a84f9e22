"""`foretell new`: a whole project, or nothing."""

from pathlib import Path, PurePosixPath

from foretell.builder.migrating import migrations_of
from foretell.builder.project_code import Project, project_files
from foretell.builder.rendering import Files
from foretell.builder.writing import Contents, Written, plan, write


def complete_files(project: Project) -> Files:
    """Every file of a project, its first migration too."""
    files = project_files(project)
    tables = [resource.name.plural for resource in project.resources]
    if tables:
        message = tables[0] if len(tables) == 1 else "first tables"
        files |= migrations_of(project.package, files, message)
    return files


def make_project(
    project: Project,
    folder: Path,
    attachments: Contents | None = None,
    *,
    is_dry_run: bool = False,
) -> list[Written]:
    """Write a project into `folder`; gives what became of each file.

    Args:
        attachments: Files that the spec names, and the spec itself.

    Raises:
        FilesDiffer: A file is there with another content; nothing was written.
    """
    files: dict[PurePosixPath, str | bytes] = {**complete_files(project)}
    files |= attachments or {}
    return (plan if is_dry_run else write)(folder, files)
