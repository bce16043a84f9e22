"""The tutorial's commands run as they stand, from an empty folder to a scored table."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import read
from tests.served import PASSWORD, Server

_BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What needs a terminal, the network, or was done by the fixture.
_SKIPPED = ("pip install", "foretell serve", "curl ")


def commands() -> list[str]:
    found = [
        c
        for block in _BLOCK.findall(read("tutorial/first-prediction.md"))
        for c in re.split(r"\n(?! )", block.replace("\\\n", ""))
        if c.strip()
    ]
    return [c for c in found if not c.startswith(_SKIPPED)]


@pytest.mark.slow
def test_the_commands_of_the_tutorial_work(tmp_path: Path) -> None:
    server = Server(tmp_path / "foretell-data").start()
    environment = {
        **server.environment,
        "FORETELL_URL": server.url,
        "PATH": f"{Path(sys.executable).parent}:{server.environment['PATH']}",
    }
    with server.running():
        for command in commands():
            done = subprocess.run(
                ["bash", "-c", command],
                env=environment,
                cwd=tmp_path,
                input=PASSWORD + "\n",
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "prediction" in done.stdout
