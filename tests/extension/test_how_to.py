"""docs/how-to/extend-it.md, run as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import read
from tests.served import COMMAND, free_environment

pytestmark = pytest.mark.slow
BLOCK = re.compile(r"```python\n# (\S+\.py)\n(.*?)```", re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=free_environment(folder / "data"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_project_of_the_page_migrates_and_its_tests_pass(tmp_path):
    page = read("how-to/extend-it.md")
    for name, content in BLOCK.findall(page):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\npythonpath = .\n"
    )
    app = ["--app", "shop.app:app"]
    made = run([*COMMAND, "db", "revision", "-m", "customers", *app], tmp_path)
    assert "shop_0001_customers.py" in made
    run([*COMMAND, "db", "upgrade", *app], tmp_path)
    assert "current" in run([*COMMAND, "db", "check", *app], tmp_path)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly"]
    assert "2 passed" in run([*tests, "-o", "addopts="], tmp_path)
