"""Makes a project's migrations from its models, on a throw-away database.

Alembic needs the models imported, and the project's code is nobody's to import here:
the commands of the project run in a process of their own, on a copy.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

from foretell.builder.errors import MigrationFailed
from foretell.builder.rendering import Files
from foretell.settings import PREFIX

_SECONDS = 120


def migrations_of(package: str, files: Files, message: str) -> Files:
    """The migration that `files`, a whole project, lack.

    Raises:
        MigrationFailed: The project cannot be imported, or needs no migration.
    """
    with tempfile.TemporaryDirectory(prefix="foretell-new-") as folder:
        project = Path(folder, "project")
        for path, text in files.items():
            there = project / path
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(text, "utf-8")
        data = Path(folder, "data")
        _run(project, data, "upgrade")
        _run(project, data, "revision", "-m", message)
        versions = PurePosixPath(package, "migrations")
        return {
            versions / file.name: file.read_text("utf-8")
            for file in sorted((project / versions).glob("*.py"))
            if versions / file.name not in files
        }


def _run(project: Path, data: Path, *words: str) -> None:
    # The settings of whoever generates are not the project's: its database least.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    done = subprocess.run(  # noqa: S603 - our own command on our own files
        [sys.executable, "-m", "foretell", "db", *words],
        cwd=project,
        env=kept | {f"{PREFIX}DATA_DIR": str(data), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise MigrationFailed((done.stderr or done.stdout).strip()[-2000:])
