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
from foretell.builder.writing import Contents
from foretell.settings import PREFIX

_MODULE = "foretell.builder.autogenerate"
_SECONDS = 120
_LINES = 6


def migrations_of(package: str, files: Contents, message: str) -> Files:
    """The migration that `files`, a whole package, lack; empty when there is none.

    Raises:
        MigrationFailed: The project cannot be imported.
    """
    with tempfile.TemporaryDirectory(prefix="foretell-new-") as folder:
        project = Path(folder, "project")
        for path, text in files.items():
            there = project / path
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(text if isinstance(text, bytes) else text.encode())
        _autogenerate(project, package, message, f"{folder}/throw-away.db")
        versions = PurePosixPath(package, "migrations")
        return {
            versions / file.name: file.read_text("utf-8")
            for file in sorted((project / versions).glob("*.py"))
            if versions / file.name not in files
        }


def _autogenerate(project: Path, package: str, message: str, database: str) -> None:
    # The settings of whoever generates are not the project's: its database least.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    url = f"sqlite+aiosqlite:///{database}"
    done = subprocess.run(  # noqa: S603 - our own module on files of our own
        [sys.executable, "-m", _MODULE, package, message, url],
        cwd=project,
        env=kept | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise MigrationFailed(_end_of(done.stderr or done.stdout))


def _end_of(output: str) -> str:
    """The error itself, of a traceback too."""
    return "\n".join(output.strip().splitlines()[-_LINES:])
