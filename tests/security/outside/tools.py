"""Tools that are no dependency of the project: each in an environment of uv's own."""

import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

PLAYWRIGHT = "playwright==1.65.2"
SCHEMATHESIS = "schemathesis==4.32.5"


def with_package(package: str) -> list[str]:
    """How to run something with `package` installed; skips where it cannot be."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip(f"no uv to install {package}")
    command = [
        *(uv, "run", "--quiet", "--no-project", "--python", sys.executable),
        *("--with", package),
    ]
    done = _run([*command, "python", "-c", ""])
    if done.returncode:
        pytest.skip(f"{package} cannot be installed: {done.stderr[-300:]}")
    return command


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300)
