"""The demo itself, small: every claim it makes is checked by it."""

import subprocess
from pathlib import Path

import pytest

from tests.served import COMMAND, free_environment


@pytest.mark.slow
def test_the_demo_ends_well_and_cleans_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--rows", "5000", "--data-dir", str(tmp_path / "demo")],
        env=free_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4,988 rows + 12 rejects = 5,000 records" in done.stdout
    assert "All of it took" in done.stdout
