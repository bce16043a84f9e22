"""The environments of the peers: one for each, made when it is first needed.

They lie in `.venv/NAME` beside this file, outside of git. All have the scikit-learn of
this environment, so that all fit the same models.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent
PEERS = FOLDER / "peers"
_SHOWN = 600


class NotInstalled(Exception):
    """The environment of a peer cannot be made; the message says why."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment.

    Raises:
        NotInstalled: A registry did not answer, or versions contradict each other.
    """
    folder = FOLDER / ".venv" / peer
    python = folder / "bin/python"
    if (folder / "complete").exists():
        return python
    print(f"installing {peer} …", flush=True)
    uv = os.environ.get("UV", "uv")  # `uv run` tells where it is
    make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
    _run(make)
    needed = [f"scikit-learn=={version('scikit-learn')}"]
    listed = FOLDER / "requirements" / f"{peer}.txt"
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    _run([*install, "--requirement", str(listed), *needed])
    (folder / "complete").touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled(" ".join(done.stderr.split())[-_SHOWN:])
