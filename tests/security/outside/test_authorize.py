"""The Authorize button of /docs, pressed in a real browser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.security.outside.tools import PLAYWRIGHT, with_package
from tests.served import PASSWORD, Server

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("authorize.py")
EMAIL = "admin@example.org"


def test_authorize_signs_in_and_the_next_call_is_let_in(tmp_path: Path):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    command = with_package(PLAYWRIGHT)
    server = Server(tmp_path / "data").start()
    with server.running():
        server.make_admin(EMAIL)
        done = subprocess.run(
            [*command, "python", SCRIPT, server.url, EMAIL, PASSWORD, chromium],
            capture_output=True,
            text=True,
            timeout=180,
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["status"] == "200"
    assert json.loads(seen["body"])["email"] == EMAIL
    assert seen["hosts"] == [server.url.removeprefix("http://")]
    assert seen["errors"] == []
