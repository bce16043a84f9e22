"""Scratch folders go with their block, or with the next sweep after a kill."""

import os
import signal
import subprocess
import sys

from foretell.core.scratch import Scratch

HOLD = """
import asyncio, sys
from pathlib import Path
from foretell.core.scratch import Scratch

async def main():
    async with Scratch(Path(sys.argv[1])).folder("import") as folder:
        (folder / "half").write_text("x")
        print(folder, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_folder_goes_with_its_block(tmp_path):
    scratch = Scratch(tmp_path / "work")
    async with scratch.folder("import") as folder:
        (folder / "deep").mkdir()
        assert await scratch.sweep() == 0
        assert folder.is_dir()
    assert list(scratch.root.iterdir()) == []


async def test_the_folder_of_a_killed_process_goes_with_the_next_sweep(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        folder = process.stdout.readline().decode().strip()
        scratch = Scratch(tmp_path)
        assert await scratch.sweep() == 0
        assert os.path.isdir(folder)
        process.send_signal(signal.SIGKILL)
    assert await scratch.sweep() == 1
    assert list(tmp_path.iterdir()) == []
